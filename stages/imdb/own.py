"""Texts of one's own, good and bad, from a CSV or Parquet file."""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from stages.common.errors import StageError
from stages.imdb.tokenizer import TOKEN

TEST_FRACTION = 0.2
GOOD = ("1", "good", "pos", "positive")
BAD = ("0", "bad", "neg", "negative")
SPLITS = ("train", "test", "unlabelled")
SHOWN = 5  # at most so many of what is wrong are told


def read_own(path: Path) -> tuple[pd.DataFrame, str]:
    """Read a table with the columns text and label, and split if there is one; others are let be.

    A label is one of GOOD or BAD, in capitals or not; without one a text is unlabelled, to be
    learned from but not judged by. Where no column says what is for the test, a fifth of the
    labelled texts is, drawn by chance, as many of either label as there are in the whole.

    Returns:
        A table as `archive.read_archive` gives it, film being "" and stars 0 as both are unknown;
        and the name of the data.

    Raises:
        StageError: when the file cannot be read, or is not such a table; names what is wrong.
    """
    table = _read(path)
    for name in ("text", "label"):
        if name not in table:
            found = ", ".join(map(str, table.columns)) or "none"
            raise StageError(f"{path}: no column {name!r}; its columns are {found}")
    text, label = (table[name].fillna("").astype(str) for name in ("text", "label"))
    if empty := [*table.index[[TOKEN.search(each) is None for each in text]]]:
        raise StageError(f"{path}: no word in the rows {_some(empty)}; remove them")
    reviews = pd.DataFrame(
        {
            "id": table.index.astype(str),
            "split": _split(path, table),
            "film": "",
            "stars": 0,
            "label": _numbers(path, label),
            "text": text,
        }
    )
    data = path.name
    if "split" not in table:
        reviews.loc[reviews["label"] == -1, "split"] = "unlabelled"
        labelled = reviews[reviews["label"] >= 0]
        from sklearn.model_selection import train_test_split  # slow to import

        _check(path, labelled["label"], "the table", 5)
        _, test = train_test_split(
            labelled.index, test_size=TEST_FRACTION, random_state=0, stratify=labelled["label"]
        )
        reviews.loc[test, "split"] = "test"
        data += ", held-out fifth"
    for split in ("train", "test"):
        those = reviews[reviews["split"] == split]
        if (those["label"] == -1).any():
            raise StageError(f"{path}: rows of the split {split!r} without a label; give them one")
        _check(path, those["label"], f"the split {split!r}", 1)
    reviews.loc[reviews["split"] == "unlabelled", "label"] = -1
    return reviews.sort_values("split", kind="stable").reset_index(drop=True), data


def _read(path: Path) -> pd.DataFrame:
    """The table, its rows numbered from 1."""
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            table = pd.read_csv(path, dtype=str, keep_default_na=False)  # NA is a text too
    except FileNotFoundError:
        raise StageError(f"imdb.source = {path}: no such file; correct it in params.yaml") from None
    except (ValueError, pa.ArrowException) as error:  # of pandas too; not UTF-8, or empty
        why = str(error).splitlines()[0]
        raise StageError(f"{path}: not a table of texts in UTF-8 ({why})") from None
    return table.set_axis(range(1, len(table) + 1))


def _numbers(path: Path, labels: pd.Series) -> pd.Series:
    """1 for good, 0 for bad, -1 for none."""
    words = labels.str.strip().str.lower().str.removesuffix(".0")
    known = {**dict.fromkeys(GOOD, 1), **dict.fromkeys(BAD, 0), "": -1}
    if unknown := sorted({*words} - {*known}):
        raise StageError(
            f"{path}: unknown labels: {_some(unknown)}. Good is {', '.join(GOOD)}; bad is"
            f" {', '.join(BAD)}; nothing is unlabelled"
        )
    return words.map(known)


def _split(path: Path, table: pd.DataFrame) -> pd.Series | str:
    if "split" not in table:
        return "train"
    splits = table["split"].fillna("").astype(str)
    if unknown := sorted({*splits} - {*SPLITS}):
        raise StageError(f"{path}: unknown splits: {_some(unknown)}; they are {', '.join(SPLITS)}")
    return splits


def _check(path: Path, labels: pd.Series, where: str, least: int) -> None:
    """Both labels must be there, or there is nothing to learn or to judge by."""
    for name, label in (("good", 1), ("bad", 0)):
        if (count := int((labels == label).sum())) < least:
            raise StageError(
                f"{path}: {count} {name} texts in {where} of {len(labels):,} labelled rows, where"
                f" at least {least} must be"
            )


def _some(values: list[object]) -> str:
    more = f" and {len(values) - SHOWN:,} more" if len(values) > SHOWN else ""
    return ", ".join(repr(value) for value in values[:SHOWN]) + more
