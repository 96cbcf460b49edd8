"""Figures of the embeddings: the map of words and the nearest neighbours."""

from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from stages.common.progress import log
from stages.imdb.figures.shared import (
    MODEL_COLORS,
    add_data_note,
    set_class_ticks,
    subplots_in_pairs,
)
from stages.imdb.models.registry import MODEL_LABELS
from stages.plotting.style import BLUE, COLOR_CYCLE, VERMILION, WIDTH
from stages.plotting.text import has_glyphs, literal_text, printable_classes, shorten

SENTIMENT = LinearSegmentedColormap.from_list("bad to good", [VERMILION, "#D8D8D8", BLUE])
BAR_LENGTH = 0.6  # of the figure's width
LINE_CHARS = 33  # of a line of neighbours


def class_colors(num_classes: int) -> Colormap:
    """Return a color for each class: those of the style, or a color-blind safe scale for more."""
    if num_classes <= len(COLOR_CYCLE):
        return ListedColormap(COLOR_CYCLE[:num_classes])
    return ListedColormap(plt.get_cmap("cividis")(np.linspace(0, 0.95, num_classes)))


@literal_text()
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
    else:
        words = words.assign(color=label)
        colors = class_colors(len(classes))
        style = {"cmap": colors, "vmin": -0.5, "vmax": len(classes) - 0.5}
    models = list(dict.fromkeys(words["model"]))
    figure, axes = subplots_in_pairs(len(models), height=3.9)
    for each, model in zip(axes, models, strict=True):
        rows = words[words["model"] == model]
        points = each.scatter(rows["x"], rows["y"], c=rows["color"], s=16, **style)
        _set_title(each, model)
        each.set(xticks=[], yticks=[], xlabel="first component")
    for each in axes[::2]:
        each.set_ylabel("second component")
    bar = figure.colorbar(points, ax=axes, location="bottom", aspect=40, shrink=BAR_LENGTH)
    bar.set_label("the network's prediction for the word alone", fontsize=10)
    names = printable_classes(classes)
    if len(names) == 2:
        bar.set_ticks([0, 0.5, 1], labels=[shorten(names[0], 16), "0.5", shorten(names[1], 16)])
    else:
        set_class_ticks(bar.ax.xaxis, names, BAR_LENGTH * WIDTH * 72)
    add_data_note(figure, data_name)
    figure.draw_without_rendering()  # lays the figure out, which fixes the points' positions
    for each, model in zip(axes, models, strict=True):
        annotate_words(each, words[words["model"] == model])
    return figure


def annotate_words(axes: Axes, words: pd.DataFrame) -> None:
    """Label as many points as there is room for, the outermost first.

    No label covers another label or a point. Words that the font cannot show have no label. The
    figure must have been laid out.
    """
    points = words[["x", "y"]].to_numpy()
    scale = np.maximum(np.ptp(points, axis=0), 1e-12)
    outermost = np.argsort(
        -np.abs((points - points.mean(axis=0)) / scale).sum(axis=1), kind="stable"
    )
    pixels = axes.transData.transform(points)
    frame = axes.get_window_extent()
    taken: list[Bbox] = []
    for i in outermost:
        word = words["word"].iloc[i]
        if not has_glyphs(word):
            continue
        others = np.delete(pixels, i, axis=0)
        for align, offset in (("left", 4), ("right", -4)):
            label = axes.annotate(
                shorten(word, 24), points[i], xytext=(offset, 0),
                textcoords="offset points", ha=align, va="center", fontsize=8.5,
            )  # fmt: skip
            box = label.get_window_extent().padded(2)
            inside = frame.x0 < box.x0 and box.x1 < frame.x1
            if inside and not box.count_contains(others) and not box.count_overlaps(taken):
                taken.append(box)
                break
            label.remove()


@literal_text()
def draw_neighbours(neighbours: pd.DataFrame, data_name: str) -> Figure:
    """Write the nearest neighbours of some words in the embeddings of each model.

    Args:
        neighbours: One row per model, word and neighbour: model, word, neighbour.
        data_name: Name of the data set.
    """
    visible = (neighbours["word"] + neighbours["neighbour"]).map(has_glyphs).astype(bool)
    if count := int((~visible).sum()):
        log(f"figures: the font cannot show {count} of {len(visible)} neighbours: left out")
    neighbours = neighbours[visible]
    words = list(dict.fromkeys(neighbours["word"]))
    models = list(dict.fromkeys(neighbours["model"]))
    figure, axes = subplots_in_pairs(len(models), height=0.8 + 0.5 * max(1, len(words)))
    if not words:
        axes[0].text(0.5, 0.5, "no neighbours that the font can show", ha="center")
        axes[0].axis("off")
    for each, model in zip(axes, models, strict=False):
        each.set(xlim=(0, 1), ylim=(0, len(words)))
        each.axis("off")
        _set_title(each, model, loc="left")
        for i, word in enumerate(words):
            rows = neighbours[(neighbours["model"] == model) & (neighbours["word"] == word)]
            nearest = list(rows["neighbour"])
            half = (len(nearest) + 1) // 2
            y = len(words) - i - 0.1
            each.text(0, y, shorten(word, 12), fontweight="bold", va="top", fontsize=9.5)
            lines = [join_words(line) for line in (nearest[:half], nearest[half:]) if line]
            each.text(0.32, y, ",\n".join(lines), va="top", fontsize=9, linespacing=1.25)
    add_data_note(figure, data_name)
    return figure


def join_words(words: list[str]) -> str:
    """Join words to a line of at most LINE_CHARS; long words are shortened."""
    max_chars = LINE_CHARS
    while len(line := ", ".join(shorten(word, max_chars) for word in words)) > LINE_CHARS:
        max_chars -= 1
    return line


def _set_title(axes: Axes, model: str, loc: Literal["left", "center"] = "center") -> None:
    title = f"embedding of the {MODEL_LABELS[model]}"
    axes.set_title(title, loc=loc, color=MODEL_COLORS[model], fontweight="bold")
