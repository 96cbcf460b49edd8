"""The saved linear model: its predictions, its contributions and damaged files."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from stages.common.errors import UserError
from stages.imdb.corpus.params import Linear
from stages.imdb.linear.model import build_linear_model, fit_model
from stages.imdb.linear.serialization import load_linear, save_linear

TEXTS = ["good film", "good plot", "bad film", "bad plot", "odd film", "odd, odd plot"] * 5
LABELS = [1, 1, 0, 0, 2, 2] * 5
NEW_TEXTS = ["A good plot, a good film!", "bad", "bad film, odd plot", "nothing known", ""]
CLASSES = ["bad", "good", "odd"]


def fitted(labels: list[int], num_classes: int, ngrams: int = 2) -> Pipeline:
    """Return a pipeline fitted to TEXTS."""
    model = build_linear_model(Linear(ngrams=ngrams, min_df=1, C=1.0), num_classes)
    return fit_model(model, TEXTS, labels)


@pytest.mark.parametrize("ngrams", [1, 2, 3])
@pytest.mark.parametrize(("labels", "num_classes"), [([x % 2 for x in LABELS], 2), (LABELS, 3)])
def test_the_saved_model_predicts_what_the_pipeline_predicts(
    tmp_path: Path, labels: list[int], num_classes: int, ngrams: int
) -> None:
    pipeline = fitted(labels, num_classes, ngrams)
    save_linear(pipeline, "made up", CLASSES[:num_classes], tmp_path / "linear")
    model = load_linear(tmp_path / "linear")
    expected = pipeline.predict_proba(NEW_TEXTS)
    np.testing.assert_allclose(model.predict_proba(NEW_TEXTS), expected, atol=1e-6)
    assert (model.config.data_name, model.config.ngrams) == ("made up", ngrams)
    assert model.predict_proba([]).shape == (0, num_classes)


@pytest.mark.parametrize(("classes", "label"), [(CLASSES[:2], 1), (CLASSES, 2)])
def test_contributions_and_bias_sum_to_the_logit(
    tmp_path: Path, classes: list[str], label: int
) -> None:
    labels = [min(x, 1) for x in LABELS] if len(classes) == 2 else LABELS
    pipeline = fitted(labels, len(classes))
    save_linear(pipeline, "made up", classes, tmp_path / "linear")
    tokens = ["a", "good", "plot", "good", "plot"]
    contributions, bias = load_linear(tmp_path / "linear").contributions(tokens, label)
    assert list(contributions) == ["good", "plot", "good plot"]  # each once
    counts = pipeline[0].transform(["a good plot good plot"])
    logits = pipeline[-1].decision_function(counts)[0]
    logit = logits if len(classes) == 2 else logits[label]
    assert sum(contributions.values()) + bias == pytest.approx(logit, abs=1e-5)


def test_weights_of_another_model_are_not_called_damaged(tmp_path: Path) -> None:
    save_linear(fitted(LABELS, 3), "made up", CLASSES, tmp_path / "linear")
    (tmp_path / "linear/ngrams.txt").write_text("good\n", "utf-8")
    with pytest.raises(UserError, match=r"the shape \(3, 12\), expected \(3, 1\)") as error:
        load_linear(tmp_path / "linear")
    assert "damaged" not in str(error.value)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", b"{"),
        ("config.json", b"[" * 100_000),
        ("config.json", json.dumps({"data_name": "", "classes": ["a", "\x1b"]}).encode()),
        ("ngrams.txt", b"\xff\n"),
        ("weights.safetensors", b""),
        ("weights.safetensors", b"\x80\x04cos\nsystem\n(S'true'\ntR."),
    ],
)
def test_a_damaged_model_is_refused(tmp_path: Path, file: str, content: bytes) -> None:
    save_linear(fitted(LABELS, 3), "made up", CLASSES, tmp_path / "linear")
    (tmp_path / "linear" / file).write_bytes(content)
    with pytest.raises(UserError, match=f"{tmp_path}/linear: damaged"):
        load_linear(tmp_path / "linear")
    (tmp_path / "linear" / file).unlink()
    with pytest.raises(UserError, match=f"{tmp_path}/linear/{file}: no such file"):
        load_linear(tmp_path / "linear")
