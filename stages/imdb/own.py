"""Texts of one's own, in two classes or more, from a CSV or Parquet file.

The file may hold more than the memory: it is read ROWS rows at a time, once to judge it and once
for each split. What stays in memory is the label and the split of each row, a byte each.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from stages.common.errors import StageError
from stages.imdb.reviews import BAD_OR_GOOD, MOST_CLASSES
from stages.imdb.tokenizer import TOKEN

TEST_FRACTION = 0.2
GOOD = ("1", "good", "pos", "positive")
BAD = ("0", "bad", "neg", "negative")
SPLITS = {"train": 0, "test": 1, "unlabelled": 2}
ROWS = 10_000  # that are in memory at a time
SHOWN = 5  # at most so many of what is wrong are told

Codes = npt.NDArray[np.int8]


def read_own(path: Path) -> tuple[Iterator[pd.DataFrame], str, tuple[str, ...]]:
    """Read a table with the columns text and label, and split if there is one; others are let be.

    Where all labels are of GOOD or BAD, these are the classes; else every label is one, in capitals
    or not. Without a label a text is to be learned from but not judged by. Where no column says
    what is for the test, a fifth of the labelled texts is, drawn by chance, as many of each class
    as there are in the whole.

    Returns:
        Part by part, a table as `archive.read_archive` gives it, film being "" and stars 0 as both
        are unknown; the name of the data; and those of the classes.

    Raises:
        StageError: when the file cannot be read, or is not such a table; names what is wrong.
    """
    try:
        columns = _columns(path)
        labels, splits, classes = _judged(path, columns)
    except FileNotFoundError:
        raise StageError(f"imdb.source = {path}: no such file; correct it in params.yaml") from None
    except (ValueError, pa.ArrowException) as error:  # of pandas too; not UTF-8, or empty
        why = str(error).splitlines()[0]
        raise StageError(f"{path}: not a table of texts in UTF-8 ({why})") from None
    data = path.name
    if splits is None:
        splits = _drawn(path, labels, classes)
        data += ", held-out fifth"
    for split in ("train", "test"):
        those = labels[splits == SPLITS[split]]
        if (those == -1).any():
            raise StageError(f"{path}: rows of the split {split!r} without a label; give them one")
        _check(path, those, classes, f"the split {split!r}", 1)
    labels[splits == SPLITS["unlabelled"]] = -1
    return _reviews(path, columns, labels, splits), data, classes


def _columns(path: Path) -> list[str]:
    """Those of text, label and split that the table has.

    Raises:
        StageError: when text or label is missing.
    """
    if path.suffix == ".parquet":
        none = pq.ParquetFile(path).schema_arrow.empty_table().to_pandas()
    else:
        none = pd.read_csv(path, dtype=str, nrows=0)
    for name in ("text", "label"):
        if name not in none:
            found = ", ".join(map(str, none.columns)) or "none"
            raise StageError(f"{path}: no column {name!r}; its columns are {found}")
    return [name for name in ("text", "label", "split") if name in none]


def _parts(path: Path, columns: list[str]) -> Iterator[pd.DataFrame]:
    """The table part by part, as strings, its rows numbered from 0, its labels in small letters."""
    parts: Iterator[pd.DataFrame]
    if path.suffix == ".parquet":
        batches = pq.ParquetFile(path).iter_batches(ROWS, columns=columns)
        parts = (batch.to_pandas() for batch in batches)
    else:  # NA is a text too
        parts = pd.read_csv(path, dtype=str, keep_default_na=False, chunksize=ROWS)
    start = 0
    for part in parts:
        # Of rows that are longer than the header, pandas takes the first value for an index.
        if path.suffix == ".csv" and not isinstance(part.index, pd.RangeIndex):
            raise StageError(
                f"{path}: the rows have more values than the header; put a text that holds commas"
                " in quotation marks"
            )
        rows = range(start, start + len(part))
        start = rows.stop
        part = part[columns].set_axis(rows).fillna("").astype(str)
        part["label"] = part["label"].str.strip().str.lower().str.removesuffix(".0")
        yield part


def _judged(path: Path, columns: list[str]) -> tuple[Codes, Codes | None, tuple[str, ...]]:
    """Read through the table.

    Returns:
        The number of each row's class, -1 for none; its split, by SPLITS, or None where no column
        says which; and the names of the classes.

    Raises:
        StageError: when a row has no word, or an unknown split, or the labels are no classes.
    """
    without_word: list[object] = []
    strange: set[str] = set()
    labels: dict[str, int] = {}  # numbered as they come
    codes = {name: [np.empty(0, np.int8)] for name in columns}
    for part in _parts(path, columns):
        without_word += [*part.index[[TOKEN.search(text) is None for text in part["text"]]] + 1]
        for label in sorted({*part["label"]} - {""}):
            labels.setdefault(label, len(labels))
        if len(labels) > MOST_CLASSES:
            raise StageError(
                f"{path}: more than {MOST_CLASSES} different labels: {_some([*labels])}; is that"
                " what the column label should hold?"
            )
        codes["label"].append(part["label"].map(labels).fillna(-1).to_numpy(np.int8))
        if "split" in part:
            strange |= {*part["split"]} - {*SPLITS}
            codes["split"].append(part["split"].map(SPLITS).fillna(-1).to_numpy(np.int8))
    if without_word:
        raise StageError(f"{path}: no word in the rows {_some(without_word)}; remove them")
    if strange:
        some = _some(sorted(strange))
        raise StageError(f"{path}: unknown splits: {some}; they are {', '.join(SPLITS)}")
    classes, numbers = _classes(path, [*labels])
    renumber = np.array([numbers[label] for label in labels] + [-1], np.int8)
    splits = np.concatenate(codes["split"]) if "split" in codes else None
    return renumber[np.concatenate(codes["label"])], splits, classes


def _classes(path: Path, labels: list[str]) -> tuple[tuple[str, ...], dict[str, int]]:
    """The names of the classes, in order, and the number of each label's.

    Raises:
        StageError: when there is only one, or a name that may not be printed.
    """
    if {*labels} <= {*GOOD, *BAD}:
        return BAD_OR_GOOD, {label: int(label in GOOD) for label in labels}
    if strange := [label for label in labels if not label.isprintable()]:
        raise StageError(f"{path}: labels that cannot be printed: {_some(strange)}; rename them")
    if len(labels) < 2:
        raise StageError(f"{path}: all are labelled {_some(labels)}; at least two labels must be")
    # 10 stars come after 9.
    classes = sorted(labels, key=lambda name: (int(name) if name.isdecimal() else math.inf, name))
    return tuple(classes), {name: number for number, name in enumerate(classes)}


def _drawn(path: Path, labels: Codes, classes: Sequence[str]) -> Codes:
    """The split of each row, drawn by chance."""
    from sklearn.model_selection import train_test_split  # slow to import

    labelled = np.flatnonzero(labels >= 0)
    _check(path, labels[labelled], classes, "the table", 5)
    _, test = train_test_split(
        labelled, test_size=TEST_FRACTION, random_state=0, stratify=labels[labelled]
    )
    splits = np.where(labels >= 0, SPLITS["train"], SPLITS["unlabelled"]).astype(np.int8)
    splits[test] = SPLITS["test"]
    return splits


def _reviews(
    path: Path, columns: list[str], labels: Codes, splits: Codes
) -> Iterator[pd.DataFrame]:
    """Read the table once more for each split, in alphabetical order; yield the rows of that."""
    for split in sorted(SPLITS):
        chosen = splits == SPLITS[split]
        if not chosen.any():
            continue
        for part in _parts(path, columns):
            those = part[chosen[part.index]]
            yield pd.DataFrame(
                {
                    "id": (those.index + 1).astype(str),
                    "split": split,
                    "film": "",
                    "stars": 0,
                    "label": labels[those.index],
                    "text": those["text"].array,
                }
            )


def _check(path: Path, labels: Codes, classes: Sequence[str], where: str, least: int) -> None:
    """Every class must be there, or there is nothing to learn or to judge by."""
    for label, name in enumerate(classes):
        if (count := int((labels == label).sum())) < least:
            raise StageError(
                f"{path}: {count} texts labelled {name!r} in {where} of {len(labels):,} labelled"
                f" rows, where at least {least} must be"
            )


def _some(values: Sequence[object]) -> str:
    more = f" and {len(values) - SHOWN:,} more" if len(values) > SHOWN else ""
    return ", ".join(repr(value) for value in values[:SHOWN]) + more
