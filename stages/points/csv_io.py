"""Read and write points as CSV with the columns x1, x2 and label."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.common.errors import UserError
from stages.common.files import atomic_write

COLUMNS = ("x1", "x2", "label")


def write_points(path: Path, X: NDArray[np.float64], labels: NDArray[np.int64]) -> None:
    """Write points, their coordinates with six decimals."""
    table = pd.DataFrame({"x1": X[:, 0], "x2": X[:, 1], "label": labels})
    with atomic_write(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6f", lineterminator="\n")


def read_points(
    path: Path, n_classes: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.int64], int]:
    """Read points and check that a classifier can be trained or tested on them.

    Args:
        path: CSV file with the columns x1, x2 and label. Other columns are ignored.
        n_classes: Number of classes; every label must be below it. None, for training data, infers
            it from the labels, which must then be 0 to C - 1 without gaps, with C at least 2.

    Returns:
        X of shape (m, 2), float64; the labels of shape (m,), int64; the number of classes.

    Raises:
        UserError: If the file is not such a table. The message names the file, and for a wrong
            value the point and the column.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    except pd.errors.EmptyDataError:
        raise UserError(f"{path}: the file is empty; expected the columns x1, x2, label") from None
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a CSV file: {str(error).strip()}") from None
    if not isinstance(table.index, pd.RangeIndex):  # pandas makes surplus columns the index
        raise UserError(f"{path}: not a CSV file: the points have more values than the header")
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise UserError(
            f"{path}: no column {', '.join(missing)}; found {', '.join(map(str, table.columns))}"
        )
    if table.empty:
        raise UserError(f"{path}: no points, only a header; add at least one line")

    X = np.column_stack([_parse_floats(path, table[column]) for column in ("x1", "x2")])
    labels = _parse_labels(path, table["label"], n_classes)
    if n_classes is None:
        counts = np.bincount(labels)
        if len(counts) == 1:
            raise UserError(
                f"{path}: column label: all points are of class 0; a classifier needs at least two"
                " classes"
            )
        if not counts.all():
            raise UserError(
                f"{path}: column label: no point of class {counts.argmin()}, but there is a class"
                f" {len(counts) - 1}; number the classes from 0 without gaps"
            )
        n_classes = len(counts)
    return X, labels, n_classes


def _parse_floats(path: Path, column: Any) -> NDArray[np.float64]:
    values: NDArray[np.float64] = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    _raise_if(~np.isfinite(values), path, column, "is not a finite number")
    return values


def _parse_labels(path: Path, column: Any, n_classes: int | None) -> NDArray[np.int64]:
    values = _parse_floats(path, column)
    # Each class has at least one point, so there are at most as many classes as points.
    limit = n_classes or len(values)
    valid = (values >= 0) & (values < limit) & (values == np.floor(values))
    _raise_if(~valid, path, column, f"is not a class; expected an integer from 0 to {limit - 1}")
    return values.astype(np.int64)


def _raise_if(invalid: NDArray[np.bool_], path: Path, column: Any, reason: str) -> None:
    """Raise a UserError that names the first invalid value of a column."""
    if invalid.any():
        row = int(invalid.argmax())
        raise UserError(
            f"{path}: point {row + 1}, column {column.name}: {column.iloc[row]!r} {reason};"
            " correct or remove it"
        )
