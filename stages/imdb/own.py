"""Texts of one's own, good and bad, from a CSV or Parquet file.

The file may hold more than the memory: it is read ROWS rows at a time, once to judge it and once
for each split. What stays in memory is the label and the split of each row, a byte each.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from stages.common.errors import StageError
from stages.imdb.tokenizer import TOKEN

TEST_FRACTION = 0.2
GOOD = ("1", "good", "pos", "positive")
BAD = ("0", "bad", "neg", "negative")
LABELS = {**dict.fromkeys(GOOD, 1), **dict.fromkeys(BAD, 0), "": -1}
SPLITS = {"train": 0, "test": 1, "unlabelled": 2}
ROWS = 10_000  # that are in memory at a time
SHOWN = 5  # at most so many of what is wrong are told

Codes = npt.NDArray[np.int8]


def read_own(path: Path) -> tuple[Iterator[pd.DataFrame], str]:
    """Read a table with the columns text and label, and split if there is one; others are let be.

    A label is one of GOOD or BAD, in capitals or not; without one a text is unlabelled, to be
    learned from but not judged by. Where no column says what is for the test, a fifth of the
    labelled texts is, drawn by chance, as many of either label as there are in the whole.

    Returns:
        Part by part, a table as `archive.read_archive` gives it, film being "" and stars 0 as both
        are unknown; and the name of the data.

    Raises:
        StageError: when the file cannot be read, or is not such a table; names what is wrong.
    """
    try:
        columns = _columns(path)
        labels, splits = _judged(path, columns)
    except FileNotFoundError:
        raise StageError(f"imdb.source = {path}: no such file; correct it in params.yaml") from None
    except (ValueError, pa.ArrowException) as error:  # of pandas too; not UTF-8, or empty
        why = str(error).splitlines()[0]
        raise StageError(f"{path}: not a table of texts in UTF-8 ({why})") from None
    data = path.name
    if splits is None:
        splits = _drawn(path, labels)
        data += ", held-out fifth"
    for split in ("train", "test"):
        those = labels[splits == SPLITS[split]]
        if (those == -1).any():
            raise StageError(f"{path}: rows of the split {split!r} without a label; give them one")
        _check(path, those, f"the split {split!r}", 1)
    labels[splits == SPLITS["unlabelled"]] = -1
    return _reviews(path, columns, labels, splits), data


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
        rows = range(start, start + len(part))
        start = rows.stop
        part = part[columns].set_axis(rows).fillna("").astype(str)
        part["label"] = part["label"].str.strip().str.lower().str.removesuffix(".0")
        yield part


def _judged(path: Path, columns: list[str]) -> tuple[Codes, Codes | None]:
    """Read through the table.

    Returns:
        The label of each row, 1 for good, 0 for bad, -1 for none; and its split, by SPLITS, or None
        where no column says which.

    Raises:
        StageError: when a row has no word, or an unknown label or split.
    """
    without_word: list[object] = []
    known = {name: {"label": LABELS, "split": SPLITS}[name] for name in columns if name != "text"}
    unknown: dict[str, set[str]] = {name: set() for name in known}
    codes = {name: [np.empty(0, np.int8)] for name in known}
    for part in _parts(path, columns):
        without_word += [*part.index[[TOKEN.search(text) is None for text in part["text"]]] + 1]
        for name, numbers in known.items():
            unknown[name] |= {*part[name]} - {*numbers}
            codes[name].append(part[name].map(numbers).fillna(-1).to_numpy(np.int8))
    if without_word:
        raise StageError(f"{path}: no word in the rows {_some(without_word)}; remove them")
    if strange := sorted(unknown.get("split", ())):
        raise StageError(f"{path}: unknown splits: {_some(strange)}; they are {', '.join(SPLITS)}")
    if strange := sorted(unknown["label"]):
        raise StageError(
            f"{path}: unknown labels: {_some(strange)}. Good is {', '.join(GOOD)}; bad is"
            f" {', '.join(BAD)}; nothing is unlabelled"
        )
    splits = np.concatenate(codes["split"]) if "split" in codes else None
    return np.concatenate(codes["label"]), splits


def _drawn(path: Path, labels: Codes) -> Codes:
    """The split of each row, drawn by chance."""
    from sklearn.model_selection import train_test_split  # slow to import

    labelled = np.flatnonzero(labels >= 0)
    _check(path, labels[labelled], "the table", 5)
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


def _check(path: Path, labels: Codes, where: str, least: int) -> None:
    """Both labels must be there, or there is nothing to learn or to judge by."""
    for name, label in (("good", 1), ("bad", 0)):
        if (count := int((labels == label).sum())) < least:
            raise StageError(
                f"{path}: {count} {name} texts in {where} of {len(labels):,} labelled rows, where"
                f" at least {least} must be"
            )


def _some(values: Sequence[object]) -> str:
    more = f" and {len(values) - SHOWN:,} more" if len(values) > SHOWN else ""
    return ", ".join(repr(value) for value in values[:SHOWN]) + more
