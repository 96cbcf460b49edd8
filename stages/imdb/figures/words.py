"""Figures of the embeddings: the map of words and the nearest neighbours."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from stages.imdb.figures.shared import MODEL_COLORS, MODEL_NAMES, add_data_note
from stages.plotting.style import BLUE, VERMILION, WIDTH

SENTIMENT = LinearSegmentedColormap.from_list("bad to good", [VERMILION, "#D8D8D8", BLUE])


def draw_word_map(words: pd.DataFrame, classes: list[str], data_name: str) -> Figure:
    """Draw words in the plane, colored by the network's prediction for the word alone.

    Args:
        words: One row per model and word: model, word, x, y, predicted, probability.
        classes: Names of the classes.
        data_name: Name of the data set.
    """
    label = words["predicted"].map({name: i for i, name in enumerate(classes)})
    if len(classes) == 2:  # color by the probability of the second class
        probability = words["probability"]
        words = words.assign(color=probability.where(label == 1, 1 - probability))
        style: dict[str, Any] = {"cmap": SENTIMENT, "vmin": 0, "vmax": 1}
        ticks = {0: classes[0], 0.5: "0.5", 1: classes[1]}
    else:
        words = words.assign(color=label)
        colors = ListedColormap(plt.get_cmap("turbo")(np.linspace(0.1, 0.9, len(classes))))
        style = {"cmap": colors, "vmin": -0.5, "vmax": len(classes) - 0.5}
        ticks = dict(enumerate(classes))
    models = list(dict.fromkeys(words["model"]))
    figure, axes = plt.subplots(1, len(models), figsize=(WIDTH, 3.9), squeeze=False)
    for each, model in zip(axes[0], models, strict=True):
        rows = words[words["model"] == model]
        points = each.scatter(rows["x"], rows["y"], c=rows["color"], s=16, **style)
        _set_title(each, model)
        each.set(xticks=[], yticks=[], xlabel="first component")
    axes[0, 0].set_ylabel("second component")
    bar = figure.colorbar(points, ax=axes, location="bottom", aspect=40, shrink=0.6)
    bar.set_label("the network's rating of the word alone", fontsize=10)
    bar.set_ticks(list(ticks), labels=list(ticks.values()))
    add_data_note(figure, data_name)
    figure.draw_without_rendering()  # lays the figure out, which fixes the points' positions
    for each, model in zip(axes[0], models, strict=True):
        annotate_words(each, words[words["model"] == model])
    return figure


def annotate_words(axes: Axes, words: pd.DataFrame) -> None:
    """Label as many points as there is room for, the outermost first.

    No label covers another label or a point. The figure must have been laid out.
    """
    points = words[["x", "y"]].to_numpy()
    scale = np.ptp(points, axis=0)
    outermost = np.argsort(
        -np.abs((points - points.mean(axis=0)) / scale).sum(axis=1), kind="stable"
    )
    pixels = axes.transData.transform(points)
    frame = axes.get_window_extent()
    taken: list[Bbox] = []
    for i in outermost:
        others = np.delete(pixels, i, axis=0)
        for align, offset in (("left", 4), ("right", -4)):
            label = axes.annotate(
                words["word"].iloc[i], points[i], xytext=(offset, 0),
                textcoords="offset points", ha=align, va="center", fontsize=8.5,
            )  # fmt: skip
            box = label.get_window_extent().padded(2)
            inside = frame.x0 < box.x0 and box.x1 < frame.x1
            if inside and not box.count_contains(others) and not box.count_overlaps(taken):
                taken.append(box)
                break
            label.remove()


def draw_neighbours(neighbours: pd.DataFrame, data_name: str) -> Figure:
    """Write the nearest neighbours of some words in the embeddings of each model.

    Args:
        neighbours: One row per model, word and neighbour: model, word, neighbour.
        data_name: Name of the data set.
    """
    words = list(dict.fromkeys(neighbours["word"]))
    models = list(dict.fromkeys(neighbours["model"]))
    size = (WIDTH, 0.8 + 0.5 * len(words))
    figure, axes = plt.subplots(1, len(models), figsize=size, squeeze=False)
    for each, model in zip(axes[0], models, strict=True):
        each.set(xlim=(0, 1), ylim=(0, len(words)))
        each.axis("off")
        _set_title(each, model)
        for i, word in enumerate(words):
            rows = neighbours[(neighbours["model"] == model) & (neighbours["word"] == word)]
            nearest = list(rows["neighbour"])
            half = (len(nearest) + 1) // 2
            y = len(words) - i - 0.1
            each.text(0, y, word, fontweight="bold", va="top", fontsize=9.5)
            lines = ", ".join(nearest[:half]) + ",\n" + ", ".join(nearest[half:])
            each.text(0.32, y, lines, va="top", fontsize=9, linespacing=1.25)
    add_data_note(figure, data_name)
    return figure


def _set_title(axes: Axes, model: str) -> None:
    title = f"embedding of the {MODEL_NAMES[model]}"
    axes.set_title(title, color=MODEL_COLORS[model], fontweight="bold")
