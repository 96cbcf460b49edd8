"""Stage: the picture of the points. Also how every picture of projects 1 and 2 draws them."""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from stages.common import figures
from stages.common.errors import run
from stages.points import table

# One colour and one shape a class, so that the classes can be told apart in grey too.
COLORS = [figures.BLUE, figures.ORANGE, figures.GREEN, figures.PURPLE, figures.VERMILION,
          figures.SKY]  # fmt: skip
MARKERS = ["o", "^", "s", "D", "v", "P"]


def scatter(
    axes: Axes,
    X: NDArray[np.float64],
    labels: NDArray[np.int64],
    *,
    size: float = 22,
    faint: bool = False,
) -> None:
    """Draw points, X of shape (m, 2) with labels of shape (m,); `size` is in points squared."""
    for label in range(int(labels.max()) + 1):
        axes.scatter(
            X[labels == label, 0],
            X[labels == label, 1],
            s=size,
            marker=MARKERS[label % len(MARKERS)],
            color=COLORS[label % len(COLORS)],
            edgecolor="white",
            linewidth=0.4,
            alpha=0.35 if faint else 1.0,
            label=f"class {label}",
        )
    axes.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal")


def main() -> None:
    """Draw the train and the test points side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="PNG to write")
    arguments = parser.parse_args()

    X, labels, classes = table.read(arguments.train)
    X_test, test_labels, _ = table.read(arguments.test, classes)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(figures.WIDTH, 2.9), sharex=True, sharey=True
    )
    scatter(left, X, labels, size=14)
    scatter(right, X_test, test_labels, size=14)
    left.set_title(f"train: {len(X):,} points")
    right.set_title(f"test: {len(X_test):,} points")
    right.set_ylabel("")
    handles, names = left.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=classes, markerscale=1.6)
    figures.save(figure, arguments.out)


if __name__ == "__main__":
    run(main)
