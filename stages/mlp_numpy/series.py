"""The curves that a training wrote."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.common.errors import StageError


def curve(live: Path, name: str) -> NDArray[np.float64]:
    """A series that a training wrote below its live directory, such as train/loss, by epoch.

    Raises:
        StageError: if it is not there.
    """
    path = live / "plots" / "metrics" / f"{name}.tsv"
    try:
        # Text to be parsed by Python, whose floats come back to the last bit.
        series = pd.read_csv(path, sep="\t", dtype=str)
    except (FileNotFoundError, pd.errors.EmptyDataError):
        raise StageError(f"{path}: no such series; train the network first (dvc repro)") from None
    return np.array([float(value) for value in series[path.stem]])
