"""The committed pictures come from the pipeline: each is drawn again and compared.

The curves and tables are in git. The points and the perceptrons are made again, which takes
seconds. The pictures of project 3 also need the networks trained on the reviews.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image, ImageSequence

from tests.clone import ROOT, Clone, copy_work_tree

# Each stage that draws pictures, and those pictures.
PICTURES = {
    name: pictures
    for name, stage in yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"].items()
    if (pictures := [path for out in stage.get("outs", []) if isinstance(out, dict)
                     for path in out if path.endswith((".png", ".gif"))])
}  # fmt: skip

# Drawn from weights, whose last bits depend on the processor.
FROM_WEIGHTS = {"plots/1-boundary.png", "plots/1-training.gif", "plots/2-boundary.png"}
NETWORKS = ["data/imdb/models/mean", "data/imdb/models/lstm"]


@pytest.fixture(scope="module")
def clone_with_perceptrons(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A copy of the work tree with new points and perceptrons, committed curves, no pictures."""
    clone = copy_work_tree(tmp_path_factory.mktemp("copy"))
    clone.git("init", "-q")
    clone.git("add", "-A")
    clone.git("commit", "-qm", "copy of the work tree")
    clone.dvc("repro", "mlp_numpy", "mlp_torch")
    clone.git("checkout", "-q", ".")
    for pictures in PICTURES.values():
        for picture in pictures:
            (clone.folder / picture).unlink()
    return clone


def frames(path: Path) -> list[np.ndarray[Any, Any]]:
    """Return the pixels of a picture, or of each frame of an animation."""
    with Image.open(path) as image:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]


@pytest.mark.parametrize("stage", PICTURES)
def test_a_stage_draws_the_committed_pictures(stage: str, clone_with_perceptrons: Clone) -> None:
    clone = clone_with_perceptrons
    if stage == "imdb_figures":
        if not all((ROOT / network).is_dir() for network in NETWORKS):
            pytest.skip("needs the networks trained on the reviews, which are not in git")
        for network in NETWORKS:
            shutil.copytree(ROOT / network, clone.folder / network)
    clone.dvc("repro", "--force", "--single-item", stage)
    for picture in PICTURES[stage]:
        drawn, committed = clone.folder / picture, ROOT / picture
        if picture in FROM_WEIGHTS:
            for frame, committed_frame in zip(frames(drawn), frames(committed), strict=True):
                assert np.mean(frame != committed_frame) < 0.001, picture
        else:
            same = drawn.read_bytes() == committed.read_bytes()
            assert same, f"{picture} is not what `dvc repro {stage}` draws"
