"""A small custom data set with three classes, from the table to the figures.

It is trained with the recipe of docs/data.md for a few hundred texts.
"""

import json
import re
import shlex

import numpy as np
import pandas as pd
import pytest

from tests.clone import ROOT, Clone, copy_work_tree
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


def recipe() -> list[str]:
    """Return the arguments of DVC in the section "A few hundred texts"."""
    section = (ROOT / "docs/data.md").read_text("utf-8").split("### A few hundred texts\n")[1]
    lines = section.split("\n    dvc ")[1].split("\n\n")[0]
    return shlex.split(lines.replace("\\\n", " "))


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone in which the stages of project 3 have run on three classes."""
    folder = tmp_path_factory.mktemp("three") / "clone"
    clone = copy_work_tree(folder, leave_out=("metrics/", "plots/", "dvc.lock"))
    clone.git("init", "-q", "-b", "main")
    clone.commit()
    (clone.folder / "data").mkdir()
    table().to_csv(clone.folder / "data/mine.csv", index=False)
    clone.dvc(*recipe(), "-S", "imdb.seeds=[1]", "imdb_figures")
    return clone


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
