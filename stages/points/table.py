"""Points as CSV with the columns x1, x2, label: ours or anybody's."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.common.errors import StageError
from stages.common.files import atomic

COLUMNS = ("x1", "x2", "label")


def write(path: Path, X: NDArray[np.float64], labels: NDArray[np.int64]) -> None:
    """Write points, coordinates to six decimals."""
    table = pd.DataFrame({"x1": X[:, 0], "x2": X[:, 1], "label": labels})
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6f", lineterminator="\n")


def read(
    path: Path, classes: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.int64], int]:
    """Read points and check that a classifier can learn from them or be tested on them.

    Args:
        path: a CSV file with the columns x1, x2 and label; other columns are ignored.
        classes: the number of classes the labels must stay within. None, for training data,
            takes it from the labels, which must then cover 0 to C-1 and be of two or more.

    Returns:
        X of shape (m, 2), float64; the labels of shape (m,), int64; the number of classes.

    Raises:
        StageError: naming the file, the point and column and the value that is wrong.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    except pd.errors.EmptyDataError:
        raise StageError(f"{path}: the file is empty; expected the columns x1, x2, label") from None
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise StageError(f"{path}: not a CSV file: {str(error).strip()}") from None
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes the first of them for an index
        raise StageError(f"{path}: not a CSV file: the points have more values than the header")
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise StageError(
            f"{path}: no column {', '.join(missing)}; found {', '.join(map(str, table.columns))}"
        )
    if table.empty:
        raise StageError(f"{path}: no points, only a header; add at least one line")

    X = np.column_stack([_finite(path, table[column]) for column in ("x1", "x2")])
    labels = _labels(path, table["label"], classes)
    if classes is None:
        counts = np.bincount(labels)
        if len(counts) == 1:
            raise StageError(
                f"{path}: column label: all points are of class 0; a classifier needs at least two"
            )
        if not counts.all():
            raise StageError(
                f"{path}: column label: no point of class {counts.argmin()}, though there is a"
                f" class {len(counts) - 1}; number the classes from 0 without gaps"
            )
        classes = len(counts)
    return X, labels, classes


def _finite(path: Path, column: Any) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    _refuse(path, column, ~np.isfinite(numbers), "is not a finite number")
    return numbers


def _labels(path: Path, column: Any, classes: int | None) -> NDArray[np.int64]:
    numbers = _finite(path, column)
    # More classes than points cannot be: each has at least one.
    limit = classes or len(numbers)
    allowed = (numbers >= 0) & (numbers < limit) & (numbers == np.floor(numbers))
    _refuse(path, column, ~allowed, f"is not a class; expected an integer from 0 to {limit - 1}")
    return numbers.astype(np.int64)


def _refuse(path: Path, column: Any, wrong: NDArray[np.bool_], why: str) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        raise StageError(
            f"{path}: point {row + 1}, column {column.name}: {column.iloc[row]!r} {why};"
            " correct or remove it"
        )
