"""Figures of the learning curves: of project 1, and of project 2 compared with project 1."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from stages.mlp_numpy.history import max_loss_difference, read_history
from stages.plotting import style

# The versions by the names of their folders.
VERSION_NAMES = {
    "numpy": "NumPy", "by_hand": "PyTorch by hand", "sequential": "nn.Sequential",
    "module": "nn.Module",
}  # fmt: skip

# From wide to narrow, so that all lines are visible where they coincide.
LINE_STYLES = [
    {"color": style.SKY, "linewidth": 9},
    {"color": style.ORANGE, "linewidth": 4.5},
    {"color": "black", "linewidth": 1.5, "linestyle": (0, (3, 2))},
]


def read_curves(live_dir: Path) -> dict[str, NDArray[np.float64]]:
    """Read the learning curves for `loss_accuracy_figure` from the live folder of a training."""
    names = ("train/loss", "test/loss", "train/acc", "test/acc")
    return {name: read_history(live_dir, name) for name in names}


def loss_accuracy_figure(curves: Mapping[str, ArrayLike]) -> Figure:
    """Draw loss and accuracy of the training and the test points over the epochs.

    Args:
        curves: Values after each epoch: train/loss and test/loss in nats, train/acc and test/acc as
            fractions.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(style.WIDTH, 2.7))
    for axes, name, ylabel, scale in (
        (left, "loss", "loss (nats per point)", 1),
        (right, "acc", "accuracy (%)", 100),
    ):
        for split, line in (("train", "-"), ("test", "--")):
            values = scale * np.asarray(curves[f"{split}/{name}"])
            axes.plot(np.arange(1, len(values) + 1), values, line, label=split)
        axes.set(xlabel="epoch", ylabel=ylabel)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    left.set_ylim(bottom=0)
    left.legend()
    return figure


def loss_difference_figure(numpy: Path, torch: list[Path]) -> Figure:
    """Draw the training losses of the PyTorch versions and their difference from project 1.

    Args:
        numpy: Live folder of project 1.
        torch: Live folders of the three PyTorch versions.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(style.WIDTH, 2.9), width_ratios=(3, 2))
    for live_dir, line_style in zip(torch, LINE_STYLES, strict=True):
        losses = read_history(live_dir, "train/loss")
        left.plot(
            np.arange(1, len(losses) + 1), losses, label=VERSION_NAMES[live_dir.name], **line_style
        )
    left.set(xlabel="epoch", ylabel="training loss (nats per point)")
    left.set_ylim(bottom=0)
    left.legend()
    difference = max_loss_difference(numpy, torch)
    epochs = np.arange(1, len(difference) + 1)
    right.plot(epochs, difference, ".", color=style.VERMILION, label="largest difference")
    spacing = np.spacing(read_history(numpy, "train/loss"))
    right.plot(epochs, spacing, color=style.GREY, linewidth=1, label="float64 precision")
    right.set(xlabel="epoch", ylabel="difference\nfrom project 1 (nats)")
    right.set_ylim(top=1.6 * max(difference.max(), spacing.max()))
    right.legend(fontsize=10, loc="upper right", handlelength=1)
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    return figure
