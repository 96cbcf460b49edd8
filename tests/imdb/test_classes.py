"""A custom data set with three classes, from the table to the figures."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.clone import Clone
from tests.imdb.made_up import BAD, GOOD, OTHER

ODD = ["strange", "curious", "puzzling", "weird", "uncanny"]
WORDS = {"bad": BAD, "good": GOOD, "odd": ODD}


def table() -> pd.DataFrame:
    """Return 360 labelled and 120 unlabelled texts; 3 of their 13 words depend on the class."""
    generator = np.random.default_rng(0)
    rows = []
    for i in range(480):
        name = [*WORDS][i % 3]
        text = [*generator.choice(OTHER, 10), *generator.choice(WORDS[name], 3)]
        rows.append((" ".join(generator.permutation(text)), name if i < 360 else ""))
    return pd.DataFrame(rows, columns=["text", "label"])


@pytest.fixture(scope="module")
def three(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone in which the stages of project 3 have run on three classes."""
    fork = clone.fork(tmp_path_factory.mktemp("three") / "clone")
    table().to_csv(fork.folder / "data/three.csv", index=False)
    fork.set({"imdb": {"source": "data/three.csv"}})
    fork.dvc("repro", "imdb_figures")
    return fork


@pytest.mark.parametrize("model", ["linear", "mean", "lstm"])
def test_every_model_learns_three_classes(three: Clone, model: str) -> None:
    folder = three.folder / "plots/imdb/evaluation" / model
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    assert summary["classes"] == [*WORDS]
    assert summary["acc"] > 0.75
    assert summary["auc"] > 0.85
    confusion = pd.read_csv(folder / "confusion.csv")
    assert confusion.groupby("actual")["reviews"].sum().to_dict() == dict.fromkeys(WORDS, 24)


def test_the_map_has_words_of_every_class(three: Clone) -> None:
    words = pd.read_csv(three.folder / "plots/imdb/words.csv")
    certain = words[(words["model"] == "mean") & (words["probability"] > 0.5)]
    for name, typical in WORDS.items():
        assert {*typical} <= {*certain.loc[certain["predicted"] == name, "word"]}


def test_the_figures_are_drawn_again_in_the_same_size(three: Clone, clone: Clone) -> None:
    for name in ("3-model-mean", "3-model-LSTM", "3-evaluation", "3-words", "3-training"):
        path = f"plots/{name}.png"
        with Image.open(three.folder / path) as new, Image.open(clone.folder / path) as old:
            assert new.size == old.size
            assert new.tobytes() != old.tobytes()


def test_predict_names_the_class(three: Clone) -> None:
    text = "the uncanny plot was curious and weird"
    process = three.command("python", "-m", "stages.imdb.predict", "--json", "--explain", text)
    record = json.loads(process.stdout)["predictions"]
    for model in ("mean", "lstm"):
        prediction = record[model]
        assert prediction["label"] == "odd"
        assert sum(prediction["probabilities"].values()) == pytest.approx(1, abs=1e-3)
        attributions = dict(prediction["attributions"])
        assert max(attributions, key=attributions.__getitem__) in ODD
    output = three.command("python", "-m", "stages.imdb.predict", text).stdout
    assert re.search(r"^mean +odd +\d+\.\d%$", output, re.MULTILINE)
