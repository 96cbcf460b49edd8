"""What the figures share: the models' colors, the labels of classes, the data's note."""

from collections.abc import Sequence
from itertools import cycle
from math import ceil
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.figure import Figure

from stages.imdb.models.registry import NETWORKS
from stages.plotting.style import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, WIDTH
from stages.plotting.text import replace_missing_glyphs, shorten

# By the registry's order, so that a color is no part of what a training depends on.
NETWORK_COLORS = [ORANGE, BLUE, GREEN, PURPLE, SKY, VERMILION]
MODEL_COLORS = {"linear": GREY} | dict(zip(NETWORKS, cycle(NETWORK_COLORS), strict=False))

MIN_FONT_SIZE = 5.0  # points
CHAR_WIDTH = 0.6  # of a character, in font sizes
LINE_HEIGHT = 1.2  # in font sizes


def subplots_in_pairs(count: int, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure with axes side by side in rows of two.

    Args:
        count: Number of axes; at least one is returned.
        height: Height of a row in inches.
    """
    columns = min(2, max(1, count))
    rows = ceil(max(1, count) / columns)
    figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, rows * height), squeeze=False)
    for unused in axes.ravel()[max(1, count) :]:
        unused.axis("off")
    return figure, list(axes.ravel()[: max(1, count)])


def set_class_ticks(
    axis: Axis, classes: Sequence[str], length: float, max_chars: int = 14, font_size: float = 12
) -> None:
    """Label the ticks 0, 1, ... of an axis with class names that do not overlap.

    Names are shortened, rotated or made smaller as necessary. If there are still too many, only
    every second, third, ... class is labelled.

    Args:
        axis: The axis.
        classes: Names of the classes.
        length: Length of the axis in points.
        max_chars: Length to which names are shortened.
        font_size: Font size in points, if there is room.
    """
    names = [shorten(name, max_chars) for name in classes]
    per_class = length / len(names)
    longest = max(len(name) for name in names)
    rotated = isinstance(axis, XAxis) and longest * CHAR_WIDTH * font_size > per_class
    step = 1
    if rotated or not isinstance(axis, XAxis):
        font_size = max(MIN_FONT_SIZE, min(font_size, per_class / LINE_HEIGHT))
        step = ceil(font_size * LINE_HEIGHT / per_class)
    axis.set_ticks(range(0, len(names), step), labels=names[::step])
    axis.set_tick_params(labelsize=font_size, labelrotation=90 if rotated else 0)


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table whose words, classes and seeds are strings, even "nan" or "10"."""
    strings = dict.fromkeys(["word", "neighbour", "actual", "predicted", "seed"], str)
    return pd.read_csv(path, keep_default_na=False, dtype=strings)


def add_data_note(figure: Figure, data_name: str) -> None:
    """Name the data set in the lower right corner."""
    note = replace_missing_glyphs(shorten(data_name, 80))
    figure.supxlabel(note, fontsize=9, color=GREY, ha="right", x=0.99)
