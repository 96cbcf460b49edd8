"""The stage that draws the figures of projects 1 and 2, on small data."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.mlp_figures import main
from stages.mlp_numpy import model
from stages.mlp_numpy.weights import save_weights
from stages.points.csv_io import write_points
from stages.points.generate import generate

EPOCHS = 5
VERSIONS = ["by_hand", "sequential", "module"]
PICTURES = {
    "1-input_data.png", "1-BP1.png", "1-BP2.png", "1-loss_accuracy.png", "1-boundary.png",
    "1-training.gif", "2-Pytorch.png", "2-boundary.png",
}  # fmt: skip


def write_inputs(folder: Path, n_classes: int) -> list[str]:
    """Write points, curves and weights, and return the arguments that name them."""
    for name, seed in (("train", 1), ("test", 2)):
        write_points(folder / f"{name}.csv", *generate("blobs", 60, 0.2, n_classes, seed))
    rng = np.random.default_rng(0)
    history = [model.init_weights(2, 8, n_classes, rng) for _ in range(EPOCHS + 1)]
    for name in ("numpy", *VERSIONS):
        save_weights(folder / f"{name}.safetensors", history[-1], "tanh")
        for curve in ("train/loss", "train/acc", "test/loss", "test/acc"):
            path = folder / name / "plots" / "metrics" / f"{curve}.tsv"
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = [f"{epoch}\t{rng.uniform()}\n" for epoch in range(EPOCHS)]
            path.write_text(f"step\t{path.stem}\n" + "".join(lines))
    stacked = model.Weights(*(np.stack(arrays) for arrays in zip(*history, strict=True)))
    save_weights(folder / "history.safetensors", stacked, "tanh")
    return [
        f"--train={folder / 'train.csv'}",
        f"--test={folder / 'test.csv'}",
        f"--numpy={folder / 'numpy'}",
        "--torch", *(str(folder / name) for name in VERSIONS),
        "--models", *(str(folder / f"{name}.safetensors") for name in ("numpy", *VERSIONS)),
        f"--history={folder / 'history.safetensors'}",
    ]  # fmt: skip


def test_the_stage_draws_the_same_eight_pictures_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = write_inputs(tmp_path, n_classes=3)
    pictures = []
    for out in (tmp_path / "first", tmp_path / "second"):
        monkeypatch.setattr("sys.argv", ["main", *inputs, f"--out={out}"])
        main.main()
        pictures.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert set(pictures[0]) == PICTURES
    assert pictures[0] == pictures[1]
    for name in PICTURES:
        with Image.open(tmp_path / "first" / name) as image:
            if name.endswith(".png"):
                assert image.width == 1002  # 6 inches of 167 dots
            else:
                assert image.n_frames == EPOCHS + 1  # type: ignore[attr-defined]
