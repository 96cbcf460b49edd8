"""What the notebook on film reviews needs."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import reviews

from stages.common.errors import UserError
from stages.imdb.corpus.corpus import load_corpus
from stages.imdb.corpus.tokenizer import tokenize
from stages.imdb.predict import Explanation, Predictor
from tests.clone import ROOT, Clone
from tests.imdb.untrained import save_small_linear, save_untrained

TINY: dict[str, Any] = {
    "vocabulary": {"size": 200, "min_count": 1},
    "embedding_dim": 4,
    "seeds": [1],
    "mean": {"epochs": 1},
    "pretrain": {"batch_size": 4, "bptt": 8, "num_sampled": 10, "threads": 1},
    "lstm": {
        "hidden_size": 4, "epochs": 1, "max_length": 20, "ngrams": 1, "finetune": {"epochs": 0},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def run(clone: Clone) -> reviews.Run:
    return reviews.Run(clone.folder)


def test_the_ratings_of_the_test_reviews_are_those_of_the_metrics(run: reviews.Run) -> None:
    table = run.test_reviews
    metrics = json.loads((run.folder / "metrics" / "imdb_linear.json").read_text("utf-8"))
    assert table["linear right"].mean() == pytest.approx(metrics["linear"]["acc"], abs=1e-6)
    assert (table["linear right"] == (table["linear"] > 0.5)).all()
    assert {*table["label"]} == {"bad", "good"}


def test_the_text_of_a_test_review_is_that_of_its_row(run: reviews.Run) -> None:
    corpus = load_corpus(run.folder / "data" / "imdb" / "corpus")
    for row in run.test_reviews.index[[0, -1]]:
        assert corpus.metadata["split"].iloc[row] == "test"
        words = [corpus.vocab[i] for i in corpus[row]]
        tokens = tokenize(run.read_text(row))
        assert len(tokens) == len(words)
        assert all(word in ("<unk>", token) for word, token in zip(words, tokens, strict=True))


def test_the_hardest_reviews_are_in_the_order_of_the_table(run: reviews.Run) -> None:
    hardest = pd.read_csv(run.folder / "metrics" / "hardest.csv")
    assert run.hardest_reviews["id"].tolist() == hardest["id"].tolist()
    assert run.hardest_reviews["label"].tolist() == hardest["label"].tolist()


def test_words_are_left_out_or_replaced() -> None:
    tokens = ["not", "a", "bad", "film"]
    assert reviews.change_words(tokens, [0, 2], []) == ["a", "film"]
    assert reviews.change_words(tokens, [2], ["very", "good"]) == [
        "not",
        "a",
        "very",
        "good",
        "film",
    ]


def test_the_last_point_of_the_curve_is_the_rating_of_the_text(tmp_path: Path) -> None:
    tokens = ["a", "great", "film", "!"]
    for folder in [*save_untrained(tmp_path), save_small_linear(tmp_path)]:
        predictor = Predictor(folder)
        curve = reviews.rate_each_word(predictor, tokens)
        assert curve.shape == (4, 2)
        assert curve[-1] == pytest.approx(predictor.predict_proba_tokens([tokens])[0], abs=1e-6)
        assert curve[0] == pytest.approx(predictor.predict_proba_tokens([["a"]])[0], abs=1e-6)


def test_the_curve_has_a_maximum_length(tmp_path: Path) -> None:
    predictor = Predictor(save_small_linear(tmp_path))
    assert len(reviews.rate_each_word(predictor, ["film"] * 1_000)) == reviews.MAX_CURVE_WORDS


def test_the_largest_turns_are_named_in_the_order_of_the_text() -> None:
    curve = np.array([0.5, 0.4, 0.9, 0.9, 0.1, 0.3])
    turns = reviews.largest_turns(curve, ["a", "b", "c", "d", "e", "f"])
    assert [(word, number) for word, number, _ in turns] == [("c", 3), ("e", 5), ("f", 6)]
    assert [step for *_, step in turns] == pytest.approx([0.5, -0.8, 0.2])
    assert reviews.describe_turns({"lstm": curve[:2]}, ["a", "b"]) == [
        "LSTM: b (word 2, \N{MINUS SIGN}10 points)."
    ]
    assert reviews.describe_turns({"mean": curve[:1]}, ["a"]) == ["mean: there is only one word."]


def test_contributions_show_their_sign_without_color() -> None:
    words = reviews.colored_words(
        Explanation("good", [("<b>", 1.234), ("x", -0.5), ("y", 0.01)], 0)
    )
    assert "&lt;b&gt;<small>+1.2</small>" in words
    assert "x<small>\N{MINUS SIGN}0.5</small>" in words
    assert "<span>y</span>" in words


@pytest.mark.parametrize("num_classes", [2, 3])
def test_the_cards_name_the_classes_of_the_model(num_classes: int, tmp_path: Path) -> None:
    save_untrained(tmp_path, num_classes=num_classes)
    predictor = Predictor(tmp_path / "lstm")
    [label] = predictor.predict(["a great film"])
    cards = reviews.rating_cards([predictor], ["a", "great", "film"], label)
    assert f"LSTM: {label} \N{CHECK MARK} right" in cards
    assert cards.count("<meter") == num_classes
    assert f"+ speaks for {'good' if num_classes == 2 else label};" in cards
    assert "\N{BALLOT X} wrong" in reviews.rating_cards([predictor], ["a"], "no class")


def test_neighbours_have_the_largest_cosine(tmp_path: Path) -> None:
    save_untrained(tmp_path)
    predictor = Predictor(tmp_path / "mean")
    table = reviews.neighbours(predictor, "great")
    weight = predictor.model.networks[0].embedding.weight.detach().numpy()  # type: ignore[union-attr]
    unit = weight[2:] / np.linalg.norm(weight[2:], axis=1, keepdims=True)
    cosine = dict(zip(["a", "great", "film", "bad", "!"], unit @ unit[1], strict=True))
    del cosine["great"]
    assert table["neighbour"].tolist() == sorted(cosine, key=lambda word: -cosine[word])
    with pytest.raises(UserError, match="'odd' is not in the vocabulary"):
        reviews.neighbours(predictor, "odd")


def test_the_small_run_trains_next_to_the_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reviews, "SMALL_RUN", tmp_path / "small")
    monkeypatch.setattr(reviews, "SMALL_REVIEWS", 100)
    monkeypatch.setattr(reviews, "SMALL_PARAMS", TINY)
    before = Clone(ROOT).git("status", "--short")
    reports: list[tuple[str, int, int]] = []
    reviews.run_small(lambda *report: reports.append(report))
    assert [number for _, number, _ in reports] == [*range(len(reports))]
    assert {count for *_, count in reports} == {len(reports)}
    run = reviews.Run(tmp_path / "small")
    assert [folder.name for folder in run.model_folders] == ["linear", "mean", "lstm"]
    assert len(run.test_reviews) == 20  # a fifth
    assert {*run.map_of_words["model"]} == {"mean", "lstm"}
    assert Clone(ROOT).git("status", "--short") == before
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


def test_a_small_run_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reviews, "SMALL_RUN", tmp_path / "small")
    monkeypatch.setattr(reviews, "SMALL_PARAMS", {"embedding_dim": -1})
    with pytest.raises(UserError, match="imdb.embedding_dim = -1"):
        reviews.run_small(lambda *report: None)
    assert list(tmp_path.iterdir()) == []


def test_without_networks_the_notebook_says_what_to_run(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    code = "import review_rating; print(*(o.text for o in review_rating.app.run()[0] if o))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "notebooks", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "No network of the pipeline is trained yet." in done.stdout
    assert "make repro" in done.stdout
    assert "Train small networks now" in done.stdout
