"""Texts of three kinds, all the way from a table to the pictures."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.clone import Clone
from tests.imdb.made_up import BAD, GOOD, OTHER

ODD = ["strange", "curious", "puzzling", "weird", "uncanny"]
LAST = ["imdb_figures", "architecture"]


def table() -> pd.DataFrame:
    """Texts in which three words of thirteen say of which kind they are; some say only that."""
    generator = np.random.default_rng(0)
    rows = []
    for i in range(480):
        name, words = [("bad", BAD), ("good", GOOD), ("odd", ODD)][i % 3]
        text = [*generator.choice(OTHER, 10), *generator.choice(words, 3)]
        rows.append((" ".join(generator.permutation(text)), name if i < 360 else ""))
    return pd.DataFrame(rows, columns=["text", "label"])


@pytest.fixture(scope="module")
def three(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone in which the stages of project 3 have run on texts of three kinds."""
    fork = clone.fork(tmp_path_factory.mktemp("three") / "clone")
    table().to_csv(fork.folder / "data/three.csv", index=False)
    fork.set({"imdb": {"source": "data/three.csv"}})
    fork.dvc("repro", *LAST)
    return fork


def read(clone: Clone, path: str) -> dict[str, object]:
    return json.loads((clone.folder / path).read_text("utf-8"))


def test_every_model_learns_to_tell_the_three_apart(three: Clone) -> None:
    for model in ("linear", "mean", "lstm"):
        summary = read(three, f"plots/imdb/evaluation/{model}/summary.json")
        assert summary["classes"] == ["bad", "good", "odd"]
        assert float(str(summary["acc"])) > 0.75, model
        assert float(str(summary["auc"])) > 0.85, model
        confusion = pd.read_csv(three.folder / f"plots/imdb/evaluation/{model}/confusion.csv")
        assert confusion.groupby("truly")["reviews"].sum().to_dict() == {
            "bad": 24, "good": 24, "odd": 24,
        }  # fmt: skip


def test_the_map_has_words_of_every_class(three: Clone) -> None:
    words = pd.read_csv(three.folder / "plots/imdb/words.csv")
    sure = words[(words["model"] == "mean") & (words["probability"] > 0.5)]
    for name, own in (("bad", BAD), ("good", GOOD), ("odd", ODD)):
        assert {*own} <= {*sure.loc[sure["rated"] == name, "word"]}


def test_the_pictures_are_drawn(three: Clone, clone: Clone) -> None:
    for name in ("3-model-mean", "3-model-LSTM", "3-evaluation", "3-words", "3-training"):
        path = f"plots/{name}.png"
        with Image.open(three.folder / path) as new, Image.open(clone.folder / path) as old:
            assert new.size == old.size
            assert new.tobytes() != old.tobytes()


def test_predict_names_the_class(three: Clone) -> None:
    text = "the uncanny plot was curious and weird"
    done = three.command("python", "-m", "stages.imdb.predict", "--json", "--explain", text)
    record = json.loads(done.stdout)
    for model in ("mean", "lstm"):
        answer = record[model]
        assert answer["verdict"] == "odd"
        assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-3)
        shares = dict(answer["explain"])
        assert max(shares, key=shares.__getitem__) in ODD
    told = three.command("python", "-m", "stages.imdb.predict", text).stdout
    assert re.search(r"^mean  odd   \d+\.\d%$", told, re.MULTILINE)
