"""Stage: the pictures of the three PyTorch versions beside the hand-written network."""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stages.common import figures
from stages.common.errors import run
from stages.mlp_numpy.figures import Points, add_scale, draw_boundary
from stages.mlp_numpy.series import curve
from stages.mlp_numpy.weights import load
from stages.mlp_torch.compare import gaps
from stages.points import table

# Widest below, thinnest on top: lines that lie on each other can all be seen.
STYLES = [
    {"color": figures.SKY, "linewidth": 9},
    {"color": figures.ORANGE, "linewidth": 4.5},
    {"color": "black", "linewidth": 1.5, "linestyle": (0, (3, 2))},
]


def losses(numpy: Path, torch: list[Path]) -> Figure:
    """The training losses of the three, and how far any of them is from project 1's."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, 2.9), width_ratios=(3, 2))
    for live, style in zip(torch, STYLES, strict=True):
        series = curve(live, "train/loss")
        left.plot(np.arange(1, len(series) + 1), series, label=live.name, **style)
    left.set(xlabel="epoch", ylabel="training loss (nats per point)")
    left.set_ylim(bottom=0)
    left.legend()
    difference = gaps(numpy, torch)
    epochs = np.arange(1, len(difference) + 1)
    right.plot(epochs, difference, ".", color=figures.VERMILION, label="largest of the three")
    spacing = np.spacing(curve(numpy, "train/loss"))
    right.plot(epochs, spacing, color=figures.GREY, linewidth=1, label="float64's spacing")
    right.set(xlabel="epoch", ylabel="difference\nfrom project 1 (nats)")
    right.set_ylim(top=1.6 * max(difference.max(), spacing.max()))
    right.legend(fontsize=10, loc="upper right", handlelength=1)
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    return figure


def boundaries(models: list[Path], points: Points) -> Figure:
    """The decision boundary of each network, named by its file."""
    figure, grid = plt.subplots(2, 2, figsize=(figures.WIDTH, 3.9), sharex=True, sharey=True)
    for axes, path in zip(grid.flat, models, strict=True):
        weights, activation = load(path)
        draw_boundary(axes, weights, activation, points)
        axes.set_title(path.stem)
        axes.label_outer()
    add_scale(figure, list(grid.flat), len(weights.b2))
    return figure


def main() -> None:
    """Draw both pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--test", type=Path, required=True, help="CSV: the points to show")
    parser.add_argument("--numpy", type=Path, required=True, help="project 1's live directory")
    parser.add_argument("--torch", type=Path, nargs=3, required=True, help="project 2's")
    parser.add_argument("--models", type=Path, nargs=4, required=True, help="safetensors")
    parser.add_argument("--losses", type=Path, required=True, help="PNG to write")
    parser.add_argument("--boundaries", type=Path, required=True, help="PNG to write")
    arguments = parser.parse_args()

    classes = len(load(arguments.models[0])[0].b2)
    X, labels, _ = table.read(arguments.test, classes)
    figures.save(losses(arguments.numpy, arguments.torch), arguments.losses)
    figures.save(boundaries(arguments.models, (X, labels)), arguments.boundaries)


if __name__ == "__main__":
    run(main)
