"""Figures of the training, the evaluation and the gain."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from stages.imdb.corpus.corpus import IMDB_DATA_NAMES, text_noun
from stages.imdb.figures.shared import (
    CHAR_WIDTH,
    MIN_FONT_SIZE,
    MODEL_COLORS,
    add_data_note,
    read_csv,
    set_class_ticks,
)
from stages.imdb.models.registry import MODEL_LABELS
from stages.plotting.style import BLUE, GREY, VERMILION, WIDTH
from stages.plotting.text import literal_text, printable_classes, shorten

CLAIMED_GAIN = 1.0  # points, of the LSTM over the mean; see the README
CORNER = 0.4  # size of the corner that is shown of the curves of good models
LONG_NAME = 8  # characters of a class name
CONFUSION_SIZE = 125.0  # points, width and height of the confusion matrix


@literal_text()
def draw_training(live: dict[str, Path], data_name: str) -> Figure:
    """Draw loss and accuracy of each network during training, one line per seed and direction.

    Args:
        live: Folder of the training curves of each model.
        data_name: Name of the data set.
    """
    figure, axes = plt.subplots(
        2, len(live), figsize=(WIDTH, 4.9), sharex="col", sharey="row", squeeze=False
    )
    for column, (model, folder) in enumerate(live.items()):
        for row, metric in enumerate(["loss", "accuracy"]):
            for split, label, color in (
                ("train", "trained on", GREY),
                ("validation", "held out", MODEL_COLORS[model]),
            ):
                files = sorted(folder.glob(f"seed-*/plots/metrics/{split}/{metric}.tsv"))
                for i, file in enumerate(files):
                    curve = pd.read_csv(file, sep="\t")
                    axes[row, column].plot(
                        curve["step"] / 1_000, curve[metric], color=color, linewidth=1.4,
                        label=label if i == 0 else "", marker="o", markersize=3,
                    )  # fmt: skip
        axes[0, column].set_title(MODEL_LABELS[model])
        if len(live) <= 2 or column == len(live) // 2:  # the labels of more would overlap
            axes[1, column].set_xlabel(f"{text_noun(data_name)}s seen (thousands)")
        # Below the axes, where it cannot cover a curve.
        axes[1, column].legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.3), ncols=2 if len(live) <= 2 else 1,
            handlelength=1.2, columnspacing=1.2,
        )  # fmt: skip
    axes[0, 0].set_ylabel("loss (cross-entropy)")
    axes[1, 0].set_ylabel("accuracy")
    axes[1, 0].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    add_data_note(figure, data_name)
    return figure


@literal_text()
def draw_gain(gains: pd.DataFrame, data_name: str) -> Figure:
    """Draw the gain of the LSTM over the mean with its interval, by seed and over all seeds.

    The claim of this project is about the reviews of IMDB, so it is shown only for them.

    Args:
        gains: One row per seed: seed, gain, low, high.
        data_name: Name of the data set.
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 0.9 + 0.36 * len(gains)))
    positions = np.arange(len(gains))[::-1]
    for y, row in zip(positions, gains.itertuples(), strict=True):
        overall = row.seed == "all"
        axes.errorbar(
            row.gain, y, xerr=[[row.gain - row.low], [row.high - row.gain]], fmt="o",
            color=BLUE if overall else GREY, markersize=9 if overall else 6, capsize=4,
            linewidth=3 if overall else 1.6,
        )  # fmt: skip
        axes.annotate(
            f"{row.gain:+.2f}", (row.high, y), xytext=(8, 0), textcoords="offset points",
            va="center", fontsize=11, fontweight="bold" if overall else "normal",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},  # over the line at zero
        )  # fmt: skip
    labels = ["all seeds" if seed == "all" else f"seed {seed}" for seed in gains["seed"]]
    axes.set_yticks(positions, labels)
    claim = CLAIMED_GAIN if data_name in IMDB_DATA_NAMES else 0.0
    left, right = min(0.0, gains["low"].min()), max(claim, gains["high"].max())
    left -= max(0.15, 0.05 * (right - left))
    longest = max(len(f"{gain:+.2f}") for gain in gains["gain"])
    right += max(0.5, 0.034 * longest * (right - left))  # room for the numbers
    axes.set_xlim(left, right)
    axes.set_ylim(-0.6, len(gains) - 0.2)
    axes.set_xlabel("gain in accuracy, LSTM − mean (points), 95 % interval")
    axes.axvline(0, color="black", linewidth=1)
    if claim:
        axes.axvline(claim, color=VERMILION, linewidth=1.2, linestyle="--")
        room_on_the_right = right - claim > claim - left
        axes.annotate(
            f"this project's claim: {claim:+g} point", (claim, 1),
            xycoords=("data", "axes fraction"), xytext=(4 if room_on_the_right else -4, -2),
            textcoords="offset points", color=VERMILION, fontsize=10,
            ha="left" if room_on_the_right else "right", va="top",
        )  # fmt: skip
    add_data_note(figure, data_name)
    return figure


@literal_text()
def draw_evaluation(folders: dict[str, Path], classes: list[str], data_name: str) -> Figure:
    """Draw curves, calibration, confusion, and accuracy by length and by stars of the models.

    Args:
        folders: Folder of the curves of each model, from stage `evaluate`.
        classes: Names of the classes.
        data_name: Name of the data set.
    """
    figure, axes = plt.subplots(3, 2, figsize=(WIDTH, 8.2))
    (roc, precision_recall), (calibration, confusion), (by_length, by_stars) = axes
    names = printable_classes(classes)
    roc_size = precision_recall_size = CORNER
    for model, folder in folders.items():
        style: dict[str, Any] = {"color": MODEL_COLORS[model], "label": MODEL_LABELS[model]}
        curve = pd.read_csv(folder / "roc.csv")
        roc.plot(curve["false_positive_rate"], curve["true_positive_rate"], **style)
        roc_size = max(
            roc_size, corner_size(curve["false_positive_rate"], 1 - curve["true_positive_rate"])
        )
        curve = pd.read_csv(folder / "precision_recall.csv")
        precision_recall.plot(curve["recall"], curve["precision"], **style)
        precision_recall_size = max(
            precision_recall_size, corner_size(1 - curve["recall"], 1 - curve["precision"])
        )
        bins = pd.read_csv(folder / "calibration.csv")
        calibration.plot(
            bins["probability"], bins["fraction_positive"], marker="o", markersize=4, **style
        )
        plot_grouped_accuracy(by_length, pd.read_csv(folder / "by_length.csv"), style)
        if (folder / "by_stars.csv").exists():
            plot_grouped_accuracy(by_stars, pd.read_csv(folder / "by_stars.csv"), style)
    roc.set(xlabel="false positive rate", ylabel="true positive rate")
    roc.set(xlim=(0, roc_size), ylim=(1 - roc_size, 1))
    roc.legend(loc="lower right", fontsize=10)
    precision_recall.set(xlabel="recall", ylabel="precision")
    lowest = 1 - precision_recall_size
    precision_recall.set(xlim=(lowest, 1), ylim=(lowest, 1))
    calibration.plot([0, 1], [0, 1], color="black", linewidth=1, linestyle=":")
    if len(classes) == 2:
        positive = shorten(names[1], 10)
        calibration.set(xlabel=f"predicted to be {positive}", ylabel=f"actually {positive}")
    else:
        calibration.set(xlabel="probability of a class", ylabel="actually of that class")
    table = read_csv(folders["lstm"] / "confusion.csv")
    matrix = table.pivot(index="actual", columns="predicted", values="reviews")
    plot_confusion(confusion, matrix.loc[classes, classes].to_numpy(), names)
    by_length.set(xlabel=f"words in the {text_noun(data_name)}", ylabel="accuracy")
    by_length.tick_params(axis="x", labelrotation=35, labelsize=9)
    by_stars.set(xlabel="stars that the writer gave", ylabel="accuracy")
    if not by_stars.has_data():
        note = "stars: unknown in this data"
        by_stars.text(0.5, 0.5, note, ha="center", transform=by_stars.transAxes, fontsize=9)
        by_stars.axis("off")
    for each in (by_length, by_stars):
        each.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    add_data_note(figure, data_name)
    return figure


def corner_size(x: "pd.Series[float]", y: "pd.Series[float]") -> float:
    """Return the size of the corner at the origin in which a curve can be seen well.

    Args:
        x, y: Coordinates of the curve, from 0 (best) to 1.

    Returns:
        CORNER if the curve passes through its inner half, else 1, the whole range.
    """
    distance = float(np.maximum(x, y).min())
    return CORNER if distance <= CORNER / 2 else 1.0


def plot_confusion(axes: Axes, matrix: npt.NDArray[np.int64], names: list[str]) -> None:
    """Plot the confusion matrix of the LSTM; the counts are written if they fit into the cells."""
    axes.imshow(matrix, cmap=LinearSegmentedColormap.from_list("", ["white", BLUE]), vmin=0)
    cell = CONFUSION_SIZE / len(names)
    font_size = min(12.0 - len(names), cell / CHAR_WIDTH / len(f"{matrix.max():,}"))
    if font_size >= MIN_FONT_SIZE:
        for i in range(len(names)):
            for j in range(len(names)):
                dark = matrix[i, j] > matrix.max() / 2
                axes.text(j, i, f"{matrix[i, j]:,}", ha="center", va="center",
                          color="white" if dark else "black", fontsize=font_size)  # fmt: skip
    # Large labels of long names would take the room of the matrix and of the figure's other axes.
    tick_size = 12 if max(map(len, names)) <= LONG_NAME else 8
    set_class_ticks(axes.xaxis, names, CONFUSION_SIZE, font_size=tick_size)
    set_class_ticks(axes.yaxis, names, CONFUSION_SIZE, font_size=tick_size)
    axes.set(xlabel=f"predicted by the {MODEL_LABELS['lstm']}", ylabel="actual")
    axes.spines[:].set_visible(False)


def plot_grouped_accuracy(axes: Axes, table: pd.DataFrame, style: dict[str, Any]) -> None:
    """Plot accuracy with its interval by group."""
    error = [table["accuracy"] - table["low"], table["high"] - table["accuracy"]]
    axes.errorbar(
        table["group"].astype(str), table["accuracy"], yerr=error, marker="o", markersize=4,
        linewidth=1.5, capsize=2, **style,
    )  # fmt: skip
