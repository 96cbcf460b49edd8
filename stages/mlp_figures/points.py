"""The figure of the points, and how all figures of projects 1 and 2 draw points."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.plotting import style

# One color and one marker per class, so that classes are distinguishable in grayscale too.
COLORS = [style.BLUE, style.ORANGE, style.GREEN, style.PURPLE, style.VERMILION,
          style.SKY]  # fmt: skip
MARKERS = ["o", "^", "s", "D", "v", "P"]


def scatter(axes: Axes, X: NDArray[np.float64], labels: NDArray[np.int64], *, size: float) -> None:
    """Draw points.

    Args:
        axes: Axes to draw on.
        X: Points of shape (m, 2).
        labels: Their classes, of shape (m,).
        size: Area of a marker, in points squared.
    """
    for label in range(int(labels.max()) + 1):
        axes.scatter(
            X[labels == label, 0],
            X[labels == label, 1],
            s=size,
            marker=MARKERS[label % len(MARKERS)],
            color=COLORS[label % len(COLORS)],
            edgecolor="white",
            linewidth=0.4,
            label=f"class {label}",
        )
    axes.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal")


def points_figure(
    X: NDArray[np.float64],
    labels: NDArray[np.int64],
    X_test: NDArray[np.float64],
    test_labels: NDArray[np.int64],
) -> Figure:
    """Draw the training and the test points side by side."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(style.WIDTH, 2.9), sharex=True, sharey=True)
    scatter(left, X, labels, size=14)
    scatter(right, X_test, test_labels, size=14)
    left.set_title(f"train: {len(X):,} points")
    right.set_title(f"test: {len(X_test):,} points")
    right.set_ylabel("")
    handles, names = left.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), markerscale=1.6)
    return figure
