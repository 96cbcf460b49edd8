"""One style for every picture: legible at README width, colour-blind safe, the same bytes again."""

from pathlib import Path

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager

from stages.common.files import atomic

# Okabe & Ito (2008), "Color Universal Design": told apart with every kind of colour vision.
BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#6B6B6B",
)  # fmt: skip
CYCLE = [BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION]

# A figure of WIDTH inches has WIDTH * DPI pixels: twice the 500 at which the README shows it.
WIDTH, DPI = 6.0, 167

plt.rcParams.update(
    {
        "figure.figsize": (WIDTH, 3.6),
        "figure.dpi": DPI,
        "figure.constrained_layout.use": True,
        "savefig.facecolor": "white",
        "font.family": "DejaVu Sans",  # comes with matplotlib: the same glyphs on every machine
        "font.size": 12,
        "axes.prop_cycle": cycler(color=CYCLE),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 12,
        "legend.frameon": False,
        "lines.linewidth": 2,
        "mathtext.fontset": "cm",
    }
)


def list_fonts() -> None:
    """See that matplotlib's own fonts are in its list of fonts.

    The list was made once, by whatever used matplotlib first, and is kept in the user's cache.
    Where that had too little memory, fonts are missing from it, to this day.
    """
    listed = {Path(font.fname) for font in fontManager.ttflist}
    for font in sorted(Path(matplotlib.get_data_path(), "fonts", "ttf").glob("*.ttf")):
        if font not in listed:
            fontManager.addfont(font)


list_fonts()


def save(figure: Figure, path: Path) -> None:
    """Write a PNG that holds no date or version, so that its bytes change only with the picture."""
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
    plt.close(figure)
