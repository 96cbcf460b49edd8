"""Stage: the pictures of project 3, from the series that training and evaluation wrote."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from matplotlib.transforms import Bbox

from stages.common import figures
from stages.common.errors import run
from stages.common.figures import BLUE, GREY, ORANGE, VERMILION, WIDTH

COLOURS = {"linear": GREY, "mean": ORANGE, "lstm": BLUE}
NAMES = {"linear": "linear", "mean": "mean", "lstm": "LSTM"}
SENTIMENT = LinearSegmentedColormap.from_list("bad to good", [VERMILION, "#D8D8D8", BLUE])


def training(live: dict[str, Path], data: str) -> Figure:
    """Loss and accuracy of each network over the reviews it learned from, a line a seed."""
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 4.6), sharex="col", sharey="row")
    for column, (model, folder) in enumerate(live.items()):
        for row, metric in enumerate(["loss", "accuracy"]):
            for part, colour in (("train", GREY), ("validation", COLOURS[model])):
                files = sorted(folder.glob(f"seed-*/plots/metrics/{part}/{metric}.tsv"))
                for i, file in enumerate(files):
                    series = pd.read_csv(file, sep="\t")
                    axes[row, column].plot(
                        series["step"] / 1_000, series[metric], color=colour, linewidth=1.4,
                        label={"train": "trained on", "validation": "held out"}[part] * (i == 0),
                        marker="o", markersize=3,
                    )  # fmt: skip
        axes[0, column].set_title(NAMES[model])
        axes[1, column].set_xlabel("reviews seen (thousands)")
        axes[1, column].legend()
    axes[0, 0].set_ylabel("loss (cross-entropy)")
    axes[1, 0].set_ylabel("accuracy")
    axes[1, 0].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    sign(figure, data)
    return figure


def gain(table: pd.DataFrame, data: str) -> Figure:
    """The gain of the LSTM over the mean with its interval, by seed and over all of them."""
    figure, axes = plt.subplots(figsize=(WIDTH, 0.9 + 0.36 * len(table)))
    places = np.arange(len(table))[::-1]
    for place, row in zip(places, table.itertuples(), strict=True):
        overall = row.seed == "all"
        axes.errorbar(
            row.gain, place, xerr=[[row.gain - row.low], [row.high - row.gain]], fmt="o",
            color=BLUE if overall else GREY, markersize=9 if overall else 6, capsize=4,
            linewidth=3 if overall else 1.6,
        )  # fmt: skip
        axes.annotate(
            f"{row.gain:+.2f}", (row.high, place), xytext=(8, 0), textcoords="offset points",
            va="center", fontsize=11, fontweight="bold" if overall else "normal",
        )  # fmt: skip
    axes.axvline(0, color="black", linewidth=1)
    axes.axvline(1, color=VERMILION, linewidth=1.2, linestyle="--")
    axes.annotate("claimed: +1", (1, 1.0), xycoords=("data", "axes fraction"), xytext=(4, -2),
                  textcoords="offset points", color=VERMILION, fontsize=10, va="top")  # fmt: skip
    labels = ["all seeds" if seed == "all" else f"seed {seed}" for seed in table["seed"]]
    axes.set_yticks(places, labels)
    axes.set_xlim(min(0.0, table["low"].min()) - 0.15, max(1.0, table["high"].max()) + 0.5)
    axes.set_ylim(-0.6, len(table) - 0.2)
    axes.set_xlabel("gain in accuracy, LSTM − mean (points), 95 % interval")
    sign(figure, data)
    return figure


def evaluation(folders: dict[str, Path], classes: list[str], data: str) -> Figure:
    """Curves, calibration, confusion, and accuracy by length and by stars, of the three models."""
    figure, axes = plt.subplots(3, 2, figsize=(WIDTH, 8.2))
    (roc, recall), (reliability, confused), (length, stars) = axes
    for model, folder in folders.items():
        style: dict[str, Any] = {"color": COLOURS[model], "label": NAMES[model]}
        curve = pd.read_csv(folder / "roc.csv")
        roc.plot(curve["false_positive_rate"], curve["true_positive_rate"], **style)
        curve = pd.read_csv(folder / "precision_recall.csv")
        recall.plot(curve["recall"], curve["precision"], **style)
        bins = pd.read_csv(folder / "calibration.csv")
        reliability.plot(bins["probability"], bins["share"], marker="o", markersize=4, **style)
        by_accuracy(length, pd.read_csv(folder / "by_length.csv"), style)
        if (folder / "by_stars.csv").exists():
            by_accuracy(stars, pd.read_csv(folder / "by_stars.csv"), style)
    # Only the corner where good models differ.
    roc.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(0, 0.4), ylim=(0.6, 1))
    roc.legend(loc="lower right", fontsize=10)
    recall.set(xlabel="recall", ylabel="precision", xlim=(0.6, 1), ylim=(0.6, 1))
    reliability.plot([0, 1], [0, 1], color="black", linewidth=1, linestyle=":")
    if len(classes) == 2:
        reliability.set(xlabel=f"rated to be {classes[1]}", ylabel=f"truly {classes[1]}")
    else:
        reliability.set(xlabel="probability of a class", ylabel="truly of that class")
    confusion(confused, read(folders["lstm"] / "confusion.csv"), classes)
    length.set(xlabel="words in the review", ylabel="accuracy")
    length.tick_params(axis="x", labelrotation=35, labelsize=9)
    stars.set(xlabel="stars that the writer gave", ylabel="accuracy")
    if not stars.has_data():
        stars.text(0.5, 0.5, "stars: unknown in this data", ha="center", transform=stars.transAxes)
        stars.axis("off")
    for each in (length, stars):
        each.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    sign(figure, data)
    return figure


def confusion(axes: Axes, table: pd.DataFrame, classes: list[str]) -> None:
    """The LSTM's confusion matrix: reviews by what they are and how they were rated."""
    matrix = table.pivot(index="truly", columns="rated", values="reviews")
    matrix = matrix.loc[classes, classes].to_numpy()
    places = range(len(classes))
    axes.imshow(matrix, cmap=LinearSegmentedColormap.from_list("", ["white", BLUE]), vmin=0)
    size = max(3.0, 12 - len(classes))
    for i in places:
        for j in places:
            dark = matrix[i, j] > matrix.max() / 2
            axes.text(j, i, f"{matrix[i, j]:,}", ha="center", va="center",
                      color="white" if dark else "black", fontsize=size)  # fmt: skip
    axes.set_xticks(places, classes)
    axes.set_yticks(places, classes)
    axes.set(xlabel=f"rated by the {NAMES['lstm']}", ylabel="truly")
    axes.spines[:].set_visible(False)


def by_accuracy(axes: Axes, table: pd.DataFrame, style: dict[str, Any]) -> None:
    """Accuracy with its interval by group."""
    error = [table["accuracy"] - table["low"], table["high"] - table["accuracy"]]
    axes.errorbar(
        table["group"].astype(str), table["accuracy"], yerr=error, marker="o", markersize=4,
        linewidth=1.5, capsize=2, **style,
    )  # fmt: skip


def neighbours(table: pd.DataFrame, data: str) -> Figure:
    """For some words the words nearest to them, in both networks' embeddings."""
    words = list(dict.fromkeys(table["word"]))
    models = list(dict.fromkeys(table["model"]))
    figure, axes = plt.subplots(1, len(models), figsize=(WIDTH, 0.8 + 0.5 * len(words)))
    for each, model in zip(np.atleast_1d(axes), models, strict=True):
        each.set(xlim=(0, 1), ylim=(0, len(words)))
        each.axis("off")
        each.set_title(f"embedding of the {NAMES[model]}", color=COLOURS[model], fontweight="bold")
        for i, word in enumerate(words):
            rows = table[(table["model"] == model) & (table["word"] == word)]
            nearest = list(rows["neighbour"])
            half = (len(nearest) + 1) // 2
            y = len(words) - i - 0.1
            each.text(0, y, word, fontweight="bold", va="top", fontsize=9.5)
            lines = ", ".join(nearest[:half]) + ",\n" + ", ".join(nearest[half:])
            each.text(0.32, y, lines, va="top", fontsize=9, linespacing=1.25)
    sign(figure, data)
    return figure


def word_map(table: pd.DataFrame, classes: list[str], data: str) -> Figure:
    """The words that say most, in the plane, coloured by the network's own rating."""
    number = table["rated"].map({name: i for i, name in enumerate(classes)})
    if len(classes) == 2:  # from the one to the other
        likely = table["probability"]
        table = table.assign(colour=likely.where(number == 1, 1 - likely))
        style: dict[str, Any] = {"cmap": SENTIMENT, "vmin": 0, "vmax": 1}
        ticks = {0: classes[0], 0.5: "0.5", 1: classes[1]}
    else:
        table = table.assign(colour=number)
        many = len(classes)
        colours = ListedColormap(plt.get_cmap("turbo")(np.linspace(0.1, 0.9, many)))
        style = {"cmap": colours, "vmin": -0.5, "vmax": many - 0.5}
        ticks = dict(enumerate(classes))
    models = list(dict.fromkeys(table["model"]))
    figure, axes = plt.subplots(1, len(models), figsize=(WIDTH, 3.9))
    for each, model in zip(np.atleast_1d(axes), models, strict=True):
        rows = table[table["model"] == model]
        points = each.scatter(rows["x"], rows["y"], c=rows["colour"], s=16, **style)
        each.set_title(f"embedding of the {NAMES[model]}", color=COLOURS[model], fontweight="bold")
        each.set(xticks=[], yticks=[], xlabel="first component")
    np.atleast_1d(axes)[0].set_ylabel("second component")
    bar = figure.colorbar(points, ax=axes, location="bottom", aspect=40, shrink=0.6)
    bar.set_label("the network's rating of the word alone", fontsize=10)
    bar.set_ticks(list(ticks), labels=list(ticks.values()))
    sign(figure, data)
    figure.draw_without_rendering()  # only then it is known where on the page the points are
    for each, model in zip(np.atleast_1d(axes), models, strict=True):
        annotate(each, table[table["model"] == model])
    return figure


def annotate(axes: Axes, rows: pd.DataFrame) -> None:
    """Name as many points as there is room for, the outermost first.

    No name covers another, or a point. To be called when the figure has been laid out.
    """
    spread = rows[["x", "y"]].to_numpy()
    scale = np.ptp(spread, axis=0)
    outermost = np.argsort(
        -np.abs((spread - spread.mean(axis=0)) / scale).sum(axis=1), kind="stable"
    )
    points = axes.transData.transform(spread)
    frame = axes.get_window_extent()
    taken: list[Bbox] = []
    for i in outermost:
        others = np.delete(points, i, axis=0)
        for align, offset in (("left", 4), ("right", -4)):
            name = axes.annotate(
                rows["word"].iloc[i], spread[i], xytext=(offset, 0),
                textcoords="offset points", ha=align, va="center", fontsize=8.5,
            )  # fmt: skip
            box = name.get_window_extent().padded(2)
            inside = frame.x0 < box.x0 and box.x1 < frame.x1
            if inside and not box.count_contains(others) and not box.count_overlaps(taken):
                taken.append(box)
                break
            name.remove()


def read(path: Path) -> pd.DataFrame:
    """A table of words or classes, which may be called "nan" or "10"."""
    strings = dict.fromkeys(["word", "neighbour", "truly", "rated"], str)
    return pd.read_csv(path, keep_default_na=False, dtype=strings)


def sign(figure: Figure, data: str) -> None:
    """Say on the picture which data it is about."""
    figure.supxlabel(data, fontsize=9, color=GREY, ha="right", x=0.99)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--live", type=Path, nargs=2, required=True, help="of mean and LSTM")
    parser.add_argument("--evaluations", type=Path, nargs=3, required=True,
                        help="of linear, mean and LSTM")  # fmt: skip
    parser.add_argument("--gains", type=Path, required=True)
    parser.add_argument("--neighbours", type=Path, required=True)
    parser.add_argument("--map", type=Path, required=True)
    for picture in ("training", "gain", "evaluation", "words", "neighbour-picture"):
        parser.add_argument(f"--{picture}", type=Path, required=True, help="PNG to write")
    args = parser.parse_args()

    folders = dict(zip(["linear", "mean", "lstm"], args.evaluations, strict=True))
    about = json.loads((args.evaluations[0] / "summary.json").read_text("utf-8"))
    data, classes = about["data"], about["classes"]
    near, words = read(args.neighbours), read(args.map)
    figures.save(training(dict(zip(["mean", "lstm"], args.live, strict=True)), data), args.training)
    figures.save(gain(pd.read_csv(args.gains, dtype={"seed": str}), data), args.gain)
    figures.save(evaluation(folders, classes, data), args.evaluation)
    figures.save(word_map(words, classes, data), args.words)
    figures.save(neighbours(near, data), args.neighbour_picture)


if __name__ == "__main__":
    run(main)
