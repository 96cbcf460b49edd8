"""Read and write points as CSV with the columns x1, x2 and label."""

import codecs
import gzip
import io
import zlib
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
        path: CSV file with the columns x1, x2 and label, in any case. Others are ignored.
        n_classes: Number of classes; every label must be below it. None, for training data, infers
            it from the labels, which must then be 0 to C - 1 without gaps, with C at least 2.

    Returns:
        X of shape (m, 2), float64; the labels of shape (m,), int64; the number of classes.

    Raises:
        UserError: If the file is not such a table. The message names the file, and for a wrong
            value the point and the column.
    """
    table = _read_table(path)
    X = _parse_coordinates(path, table)
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


def read_points_with_class_names(
    path: Path,
) -> tuple[NDArray[np.float64], NDArray[np.int64], list[str]]:
    """Read points whose labels are any numbers or words.

    Args:
        path: CSV file with the columns x1, x2 and label.

    Returns:
        X of shape (m, 2), float64; the labels of shape (m,), int64, from 0 to C - 1; the names of
        the C classes. Class 0 has the smallest number, or the first name in alphabetical order if
        the labels are not all numbers.

    Raises:
        UserError: If the file is not such a table, or all points have the same label.
    """
    table = _read_table(path)
    X = _parse_coordinates(path, table)
    column = table["label"]
    _raise_if(
        column.str.lower().isin(["", "nan", "na", "null"]).to_numpy(), path, column, "is no label"
    )
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    if np.isfinite(numbers).all():
        values, labels = np.unique(numbers, return_inverse=True)
        names = [f"class {value:.12g}" for value in values]
    else:
        words, labels = np.unique(column.to_numpy(object).astype(str), return_inverse=True)
        names = [str(word) for word in words]
    if len(names) == 1:
        raise UserError(
            f"{path}: column label: all points have the same label; a classifier needs at least two"
            " classes"
        )
    return X, labels.astype(np.int64), names


def _read_table(path: Path) -> pd.DataFrame:
    """Read the columns x1, x2 and label as text.

    The file can be compressed (.gz), and encoded as UTF-8 or, with a byte order mark, as UTF-16.
    Without a comma in its header, the separator can be a semicolon or a tab, and the decimal
    separator of the coordinates a comma, as spreadsheets write them in many countries.
    """
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
        header = text.partition("\n")[0]
        separator = next((mark for mark in ",;\t" if mark in header), ",")
        table = pd.read_csv(
            io.StringIO(text), sep=separator, dtype=str, keep_default_na=False,
            skipinitialspace=True,
        )  # fmt: skip
    except pd.errors.EmptyDataError:
        raise UserError(f"{path}: the file is empty; expected the columns x1, x2, label") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a CSV file in UTF-8; save it as UTF-8") from None
    except (pd.errors.ParserError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: not a CSV file: {str(error).strip()}") from None
    if not isinstance(table.index, pd.RangeIndex):  # pandas makes surplus columns the index
        raise UserError(f"{path}: not a CSV file: the points have more values than the header")
    table.columns = table.columns.str.strip().str.lower()
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise UserError(f"{path}: no column {', '.join(missing)}; found {', '.join(table.columns)}")
    twice = table.columns[table.columns.duplicated() & table.columns.isin(COLUMNS)]
    if len(twice):
        raise UserError(f"{path}: more than one column {twice[0]}; rename or remove one")
    if table.empty:
        raise UserError(f"{path}: no points, only a header; add at least one line")
    table = table[list(COLUMNS)].apply(lambda column: column.fillna("").str.strip())
    if separator != ",":
        for coordinate in ("x1", "x2"):
            table[coordinate] = table[coordinate].str.replace(",", ".")
    return table


def _parse_coordinates(path: Path, table: pd.DataFrame) -> NDArray[np.float64]:
    return np.column_stack([_parse_floats(path, table[column]) for column in ("x1", "x2")])


def _parse_floats(path: Path, column: Any) -> NDArray[np.float64]:
    values: NDArray[np.float64] = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    hint = " (decimals need a point)" if column.str.contains(",").any() else ""
    _raise_if(~np.isfinite(values), path, column, f"is not a finite number{hint}")
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
