"""Read a custom data set: a CSV or Parquet file with one text per row, in two or more classes.

The file may be larger than memory. It is read twice in chunks: once to check it and to find the
classes, once to return the texts. Only the label and the split of each row, about 50 bytes, stay in
memory.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from stages.common.errors import UserError
from stages.imdb.corpus.corpus import DEFAULT_CLASSES, MAX_CLASSES
from stages.imdb.corpus.tokenizer import TOKEN_PATTERN

POSITIVE_LABELS = ("1", "good", "pos", "positive")
NEGATIVE_LABELS = ("0", "bad", "neg", "negative")
COLUMNS = ("text", "label", "split")
SPLITS = ("train", "test", "unlabelled")
TEST_FRACTION = 0.2  # held out for the test if no column says which rows are
MIN_CLASS_ROWS = 5  # to hold out a fifth of them
CHUNK_ROWS = 10_000  # texts in memory at a time
MAX_LISTED = 5  # values that an error message lists


def read_custom_dataset(path: Path) -> tuple[Iterator[pd.DataFrame], str, tuple[str, ...]]:
    """Read a table with columns `text`, `label` and optionally `split`. Other columns are ignored.

    If every label is in POSITIVE_LABELS or NEGATIVE_LABELS, the classes are DEFAULT_CLASSES.
    Otherwise each distinct label (case-insensitive) is a class. Rows without a label are used for
    training only. Without a column `split`, a stratified random fifth of the labelled rows is the
    test split.

    Args:
        path: Path of a `.csv` or `.parquet` file.

    Returns:
        The table in chunks, with the columns that `read_archive` returns (group is "" and stars is
        0, because both are unknown); the name of the data set; the names of the classes.

    Raises:
        UserError: If the file cannot be read, or the table is wrong.
    """
    try:
        table = _scan(path)
    except FileNotFoundError:
        raise UserError(f"imdb.source = {path}: no such file; correct it in params.yaml") from None
    except (ValueError, pa.ArrowException) as error:  # of pandas or Arrow
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: not a table of texts in UTF-8 ({reason})") from None
    classes, label_to_class = _to_classes(path, {*table["label"].unique()} - {""})
    labels = table["label"].map(label_to_class | {"": -1}).astype(np.int8)
    data_name = path.name
    if "split" in table:
        splits = table["split"]
    else:
        splits = _random_split(path, labels, classes)
        data_name += ", held-out fifth"
    for split in ("train", "test"):
        split_labels = labels[splits == split]
        if (split_labels < 0).any():
            raise UserError(
                f"{path}: rows without a label in the split {split!r}; label them, or change"
                " their split to 'unlabelled'"
            )
        _check_class_counts(path, split_labels, classes, 1, f"in the split {split!r}")
    labels[splits == "unlabelled"] = -1
    return _iter_reviews(path, labels, splits), data_name, classes


def _read_chunks(path: Path) -> Iterator[pd.DataFrame]:
    """Yield the columns text, label and, if there is one, split, as strings without missing values.

    Each chunk has at most CHUNK_ROWS rows; its index continues that of the chunk before.
    """
    if path.suffix == ".parquet":
        file = pq.ParquetFile(path)
        names = file.schema_arrow.names
        # iter_batches ignores the columns that the file does not have.
        batches = file.iter_batches(CHUNK_ROWS, columns=[*COLUMNS])
        chunks = (batch.to_pandas() for batch in batches)
    else:
        names = [*pd.read_csv(path, dtype=str, nrows=0)]
        # keep_default_na: "NA" is a text like any other.
        chunks = pd.read_csv(path, dtype=str, keep_default_na=False, chunksize=CHUNK_ROWS)
    for name in ("text", "label"):
        if name not in names:
            found = ", ".join(map(str, names)) or "none"
            raise UserError(f"{path}: no column {name!r}; its columns are {found}")
    columns = [name for name in COLUMNS if name in names]
    start = 0
    for chunk in chunks:
        # If all rows are longer than the header, pandas uses their first values as the index.
        if path.suffix == ".csv" and not isinstance(chunk.index, pd.RangeIndex):
            raise UserError(
                f"{path}: the rows have more values than the header; put texts that contain"
                " commas in quotation marks"
            )
        chunk = chunk[columns].set_axis(range(start, start + len(chunk))).fillna("").astype(str)
        chunk["label"] = chunk["label"].str.strip().str.lower().str.removesuffix(".0")
        start += len(chunk)
        yield chunk


def _scan(path: Path) -> pd.DataFrame:
    """Return the labels and, if the table has them, the splits of all rows.

    Raises:
        UserError: If there are no rows, a text has no word, or a split is unknown.
    """
    chunks, empty_rows = [], []
    for chunk in _read_chunks(path):
        is_empty = [TOKEN_PATTERN.search(text) is None for text in chunk["text"]]
        empty_rows += [row + 1 for row in chunk.index[is_empty]]
        chunks.append(chunk.drop(columns="text"))
    if not any(map(len, chunks)):
        raise UserError(f"{path}: the table has no rows")
    if empty_rows:
        raise UserError(f"{path}: no word in the rows {_list_some(empty_rows)}; remove them")
    table = pd.concat(chunks)
    if "split" in table and (unknown := {*table["split"].unique()} - {*SPLITS}):
        found = _list_some(sorted(unknown))
        raise UserError(f"{path}: unknown splits: {found}; use {', '.join(SPLITS)}")
    return table


def _to_classes(path: Path, labels: set[str]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the names of the classes, and the class of each label.

    Raises:
        UserError: If there are too few or too many labels, or one cannot be printed.
    """
    if labels <= {*POSITIVE_LABELS, *NEGATIVE_LABELS}:
        return DEFAULT_CLASSES, {label: int(label in POSITIVE_LABELS) for label in labels}
    # Numbers in numeric order, then names in alphabetical order.
    classes = sorted(labels, key=lambda name: (int(name) if name.isdecimal() else math.inf, name))
    if unprintable := [name for name in classes if not name.isprintable()]:
        raise UserError(
            f"{path}: labels that cannot be printed: {_list_some(unprintable)}; rename them"
        )
    if len(classes) < 2:
        raise UserError(f"{path}: only one label found ({classes[0]!r}); at least two are required")
    if len(classes) > MAX_CLASSES:
        raise UserError(
            f"{path}: more than {MAX_CLASSES} different labels: {_list_some(classes)}; correct the"
            " column 'label'"
        )
    return tuple(classes), {name: i for i, name in enumerate(classes)}


def _random_split(path: Path, labels: pd.Series, classes: Sequence[str]) -> pd.Series:
    """Return the split of each row: a random test split, stratified by class."""
    from sklearn.model_selection import train_test_split  # slow to import

    labelled = labels.index[labels >= 0].to_numpy()
    _check_class_counts(path, labels[labelled], classes, MIN_CLASS_ROWS, "in the table")
    _, test = train_test_split(
        labelled, test_size=TEST_FRACTION, random_state=0, stratify=labels[labelled]
    )
    splits = pd.Series("unlabelled", labels.index)
    splits[labelled] = "train"
    splits[test] = "test"
    return splits


def _iter_reviews(path: Path, labels: pd.Series, splits: pd.Series) -> Iterator[pd.DataFrame]:
    """Read the table again and yield it in chunks, with the columns that `read_archive` returns."""
    for chunk in _read_chunks(path):
        yield pd.DataFrame(
            {
                "id": (chunk.index + 1).astype(str),
                "split": splits[chunk.index],
                "group": "",
                "stars": 0,
                "label": labels[chunk.index],
                "text": chunk["text"],
            }
        )


def _check_class_counts(
    path: Path, labels: pd.Series, classes: Sequence[str], minimum: int, where: str
) -> None:
    """Raise a UserError if a class has fewer than `minimum` of these labels."""
    counts = np.bincount(labels, minlength=len(classes))
    for name, count in zip(classes, counts, strict=True):
        if count < minimum:
            raise UserError(
                f"{path}: class {name!r} has {count} of the {len(labels):,} labelled rows {where};"
                f" it needs at least {minimum}"
            )


def _list_some(values: Sequence[object]) -> str:
    more = f" and {len(values) - MAX_LISTED:,} more" if len(values) > MAX_LISTED else ""
    return ", ".join(map(repr, values[:MAX_LISTED])) + more
