"""The style of all figures: legible at README size, color-blind safe and reproducible."""

from pathlib import Path

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib.figure import Figure

from stages.common.files import atomic_write

# Okabe & Ito (2008), "Color Universal Design": distinguishable with every kind of color vision.
BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#6B6B6B",
)  # fmt: skip
COLOR_CYCLE = [BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION]

# A figure of WIDTH inches has WIDTH * DPI pixels, twice the 500 at which the README shows it.
WIDTH, DPI = 6.0, 167

plt.rcParams.update(
    {
        "figure.figsize": (WIDTH, 3.6),
        "figure.dpi": DPI,
        "figure.constrained_layout.use": True,
        "savefig.facecolor": "white",
        "font.family": "DejaVu Sans",  # comes with matplotlib: the same glyphs on every machine
        "font.size": 12,
        "axes.prop_cycle": cycler(color=COLOR_CYCLE),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 12,
        "legend.frameon": False,
        "lines.linewidth": 2,
        "mathtext.fontset": "cm",
    }
)


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure as PNG and close it.

    The file contains no date or version, so its bytes change only if the picture changes.
    """
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
    plt.close(figure)
