"""What the figures share: the names and colors of the models, and the note about the data."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from stages.plotting.style import BLUE, GREY, ORANGE

MODEL_NAMES = {"linear": "linear", "mean": "mean", "lstm": "LSTM"}
MODEL_COLORS = {"linear": GREY, "mean": ORANGE, "lstm": BLUE}


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table whose words, classes and seeds are strings, even "nan" or "10"."""
    strings = dict.fromkeys(["word", "neighbour", "actual", "predicted", "seed"], str)
    return pd.read_csv(path, keep_default_na=False, dtype=strings)


def add_data_note(figure: Figure, data_name: str) -> None:
    """Name the data set in the lower right corner."""
    figure.supxlabel(data_name, fontsize=9, color=GREY, ha="right", x=0.99)
