"""The figure of the points, and how all figures of projects 1 and 2 draw points."""

from collections.abc import Sequence

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


def class_names(n_classes: int) -> list[str]:
    """Return the names of classes that are only numbered."""
    return [f"class {c}" for c in range(n_classes)]


def scatter(
    axes: Axes,
    X: NDArray[np.float64],
    labels: NDArray[np.int64],
    *,
    size: float,
    names: Sequence[str],
) -> None:
    """Draw points.

    Args:
        axes: Axes to draw on.
        X: Points of shape (m, 2).
        labels: Their classes, of shape (m,).
        size: Area of a marker, in points squared.
        names: Names of the classes.
    """
    for label, name in enumerate(names):
        axes.scatter(
            X[labels == label, 0],
            X[labels == label, 1],
            s=size,
            marker=MARKERS[label],
            color=COLORS[label],
            edgecolor="white",
            linewidth=0.4,
            label=name,
        )
    axes.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal" if same_scale(X) else "auto")


def same_scale(X: NDArray[np.float64]) -> bool:
    """Return whether one unit can have the same length on both axes."""
    extent = np.ptp(X, axis=0)
    return bool(extent.max() <= 5 * extent.min())


def points_figure(
    X: NDArray[np.float64],
    labels: NDArray[np.int64],
    X_test: NDArray[np.float64],
    test_labels: NDArray[np.int64],
    names: Sequence[str],
) -> Figure:
    """Draw the training and the test points side by side; `names` are those of the classes."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(style.WIDTH, 2.9), sharex=True, sharey=True)
    scatter(left, X, labels, size=14, names=names)
    scatter(right, X_test, test_labels, size=14, names=names)
    left.set_title(f"train: {len(X):,} points")
    right.set_title(f"test: {len(X_test):,} points")
    right.set_ylabel("")
    handles, _ = left.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), markerscale=1.6)
    return figure
