"""The recipe of docs/data.md for a few hundred texts."""

import json
import shlex
from pathlib import Path

import numpy as np
import pandas as pd

from tests.clone import ROOT, copy_work_tree
from tests.imdb.made_up import review


def recipe() -> list[str]:
    """Return the arguments of DVC in the section."""
    section = (ROOT / "docs/data.md").read_text("utf-8").split("### A few hundred texts\n")[1]
    lines = section.split("\n    dvc ")[1].split("\n\n")[0]
    return shlex.split(lines.replace("\\\n", " "))


def test_every_model_learns_from_300_texts_with_the_recipe(tmp_path: Path) -> None:
    clone = copy_work_tree(tmp_path / "clone", leave_out=("metrics/", "plots/", "dvc.lock"))
    clone.git("init", "-q", "-b", "main")
    clone.commit()
    rng = np.random.default_rng(0)
    texts = [(review(bool(i % 2), rng), i % 2) for i in range(300)]
    (clone.folder / "data").mkdir()
    pd.DataFrame(texts, columns=["text", "label"]).to_csv(
        clone.folder / "data/mine.csv", index=False
    )
    clone.dvc(*recipe(), "-S", "imdb.seeds=[1]", "compare", "evaluate@mean", "evaluate@lstm")
    for model in ("mean", "lstm"):
        metrics = json.loads((clone.folder / f"metrics/imdb_{model}.json").read_text("utf-8"))
        assert metrics[model]["acc"] > 0.85, model
