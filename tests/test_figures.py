"""The pictures of the README come from the pipeline: draw each anew and compare.

Most come from series that are in git. The points are made again, and the perceptrons trained again:
that takes seconds. Only the two architectures need networks trained on the reviews.
"""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image, ImageSequence

from tests.clone import ROOT, Clone, copy_work_tree

# Each stage that draws pictures, and those pictures.
DRAWN = {
    name: pictures
    for name, stage in yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"].items()
    if (pictures := [path for out in stage.get("outs", []) if isinstance(out, dict)
                     for path in out if path.endswith((".png", ".gif"))])
}  # fmt: skip

# Drawn from weights, whose last bits differ between kinds of processors.
FROM_WEIGHTS = {"plots/1-boundary.png", "plots/1-training.gif", "plots/2-boundary.png"}
NETWORKS = ["data/imdb/mean", "data/imdb/lstm"]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A copy of the work tree with points and perceptrons made anew, and the series as in git."""
    clone = copy_work_tree(tmp_path_factory.mktemp("copy"))
    clone.git("init", "-q")
    clone.git("add", "-A")
    clone.git("commit", "-qm", "a copy")
    clone.dvc("repro", "mlp_numpy", "mlp_torch")
    clone.git("checkout", "-q", ".")
    for pictures in DRAWN.values():
        for picture in pictures:
            (clone.folder / picture).unlink()
    return clone


def frames(path: Path) -> list[np.ndarray]:
    """The pixels of a picture, or of each picture of an animation."""
    with Image.open(path) as image:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]


@pytest.mark.parametrize("stage", DRAWN)
def test_a_picture_is_what_its_stage_draws(stage: str, copy: Clone) -> None:
    if stage == "architecture":
        if not all((ROOT / network).is_dir() for network in NETWORKS):
            pytest.skip("needs the networks trained on the reviews, which are not in git")
        for network in NETWORKS:
            shutil.copytree(ROOT / network, copy.folder / network)
    copy.dvc("repro", "--force", "--single-item", stage)
    for picture in DRAWN[stage]:
        if picture in FROM_WEIGHTS:
            drawn, committed = frames(copy.folder / picture), frames(ROOT / picture)
            assert len(drawn) == len(committed)
            for ours, theirs in zip(drawn, committed, strict=True):
                assert np.mean(ours != theirs) < 0.001, picture
        else:
            same = (copy.folder / picture).read_bytes() == (ROOT / picture).read_bytes()
            assert same, f"{picture} is not what `dvc repro {stage}` draws"


def test_every_picture_of_the_readme_is_drawn_by_a_stage() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    drawn = {picture for pictures in DRAWN.values() for picture in pictures}
    assert set(re.findall(r'src="([^"]+)"', readme)) <= drawn
