"""Turn a table of texts into a data set: labels become classes, and every row gets a split.

The file may be larger than memory. It is read twice in chunks: once to check it and to find the
classes, once to return the texts. Only the label, split and group of each row and a hash of its
text, about 60 bytes, stay in memory.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd

from stages.common.errors import UserError
from stages.common.progress import log
from stages.imdb.corpus.corpus import DEFAULT_CLASSES, MAX_CLASSES, hold_out
from stages.imdb.corpus.tokenizer import TOKEN_PATTERN, normalize, tokenize
from stages.imdb.download.tables import read_chunks

POSITIVE_LABELS = ("1", "good", "pos", "positive")
NEGATIVE_LABELS = ("0", "bad", "neg", "negative")
MISSING_LABELS = ("nan", "none", "null", "n/a", "na", "<na>")  # as programs write a missing value
NUMBER = re.compile(r"[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]+)?")
SPLITS = {
    "train": "train", "training": "train", "test": "test", "testing": "test",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "unlabelled": "unlabelled", "unlabeled": "unlabelled", "unsupervised": "unlabelled",
}  # fmt: skip
TEST_FRACTION = 0.2  # held out for the test if no column says which rows are
MIN_CLASS_ROWS = 5  # to hold out a fifth of them
MAX_LISTED = 5  # values that an error message lists

# Scripts without spaces between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese.
UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
MAX_WORD_LETTERS = 5  # average number of letters per word in these scripts, if there are spaces
SAMPLE_ROWS = 1_000  # texts that are checked for this


def read_custom_dataset(path: Path) -> tuple[Iterator[pd.DataFrame], str, tuple[str, ...]]:
    """Read a table with columns `text` and `label`, and optionally `split` and `group`.

    Rows without a label are used for training only. Without a column `split`, a random fifth of the
    labelled rows is the test split: of each class, or of the groups if there is a column `group`.

    Args:
        path: Path of the table; see `stages.imdb.download.tables`.

    Returns:
        The table in chunks, with the columns that `read_archive` returns (group is "" if unknown
        and stars is 0); the name of the data set; the names of the classes.

    Raises:
        UserError: If the file cannot be read, or the table is wrong.
    """
    table = _scan(path)
    names = _known_labels(table["label"])
    data_name = path.name
    if "split" in table:
        splits = _to_splits(path, table["split"])
        names[splits == "unlabelled"] = ""
        splits = _unlabel(splits, names)
    classes, label_to_class = to_classes(path, [name for name in names.unique() if name])
    labels = names.map(label_to_class | {"": -1}).astype(np.int8)
    if "split" not in table:
        data_name += ", held-out fifth"
        splits = _random_split(path, labels, table["group"], classes)
    if count := int(((splits == "test") & (labels < 0)).sum()):
        raise UserError(
            f"{path}: {count:,} rows without a label in the split 'test'; label them, or change"
            " their split to 'unlabelled'"
        )
    for split in ("train", "test"):
        _check_class_counts(path, labels[splits == split], classes, 1, f"in the split {split!r}")
    test_texts = table.loc[splits == "test", "hash"]
    if duplicates := int(test_texts.isin(table.loc[splits == "train", "hash"]).sum()):
        log(f"{path}: {duplicates:,} of {len(test_texts):,} test texts are training texts, too")
    return _iter_reviews(path, labels, splits), data_name, classes


def _scan(path: Path) -> pd.DataFrame:
    """Return the label, the group, the hash of the text and possibly the split of each row.

    Raises:
        UserError: If there are no rows, or a text has no word.
    """
    chunks: list[pd.DataFrame] = []
    empty_rows: list[int] = []
    for chunk in read_chunks(path):
        texts = chunk["text"].map(normalize)
        is_empty = [TOKEN_PATTERN.search(text) is None for text in texts]
        empty_rows += [row + 1 for row in chunk.index[is_empty]]
        if not chunks:
            _check_spaces(path, chunk["text"][:SAMPLE_ROWS])
        hashes = pd.util.hash_array(texts.to_numpy(object))
        chunks.append(chunk.assign(hash=hashes).drop(columns="text"))
    if not chunks:
        raise UserError(f"{path}: the table has no rows")
    if empty_rows:
        raise UserError(f"{path}: no word in the rows {_list_some(empty_rows)}; remove them")
    table = pd.concat(chunks)
    return table.assign(group=table["group"].str.strip() if "group" in table else "")


def _check_spaces(path: Path, texts: Iterable[str]) -> None:
    """Log a warning if the words of the texts are not separated by spaces."""
    words = [word for text in texts for word in tokenize(text)]
    unspaced = [word for word in words if UNSPACED.search(word)]
    letters = sum(not unicodedata.combining(c) and c.isalnum() for w in unspaced for c in w)
    if len(unspaced) > len(words) / 2 and letters > MAX_WORD_LETTERS * len(unspaced):
        log(
            f"*** {path}: the words are not separated by spaces, so each phrase counts as one word;"
            " separate them by a word segmenter of the language"
        )


def _known_labels(labels: pd.Series) -> pd.Series:
    """Return the labels without blanks around them; those that mean "missing" become ""."""
    labels = labels.str.strip()
    missing = labels.str.lower().isin(MISSING_LABELS)
    if missing.any():
        found = _list_some(sorted(labels[missing].unique()))
        log(f"{missing.sum():,} rows with the label {found} are taken as unlabelled")
    return labels.mask(missing, "")


def to_classes(path: Path, labels: Sequence[str]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the names of the classes, and the class of each label.

    Labels that differ only in case are one class, and so are numbers of the same value. A class has
    the name of its first label; numbers lose zeros at their end. Numbers come first, in numeric
    order, then names in alphabetical order. If all labels are in POSITIVE_LABELS or
    NEGATIVE_LABELS, the negative class comes first; the two are called DEFAULT_CLASSES if their
    labels are numbers, or if one of them has several names.

    Args:
        path: Path of the table, for error messages.
        labels: The different labels, in the order of the table.

    Raises:
        UserError: If there are too few or too many labels, or one cannot be printed.
    """
    if not labels:
        raise UserError(f"{path}: no row has a label; correct the column 'label'")
    if unprintable := [label for label in labels if not label.isprintable()]:
        raise UserError(
            f"{path}: labels that cannot be printed: {_list_some(unprintable)}; rename them"
        )
    keys = [_class_key(label) for label in labels]
    names: dict[tuple[bool, Decimal, str], str] = {}  # by key; the first spelling stays
    for label, key in zip(labels, keys, strict=True):
        names.setdefault(key, key[2] if NUMBER.fullmatch(key[2]) else label)
    if {key[2] for key in names} <= {*POSITIVE_LABELS, *NEGATIVE_LABELS}:
        positive = {key: key[2] in POSITIVE_LABELS for key in names}
        order = sorted(names, key=positive.__getitem__)
        classes = tuple(names[key] for key in order)
        if [positive[key] for key in order] != [False, True] or {"0", "1"} & {*classes}:
            classes = DEFAULT_CLASSES
        return classes, {label: int(positive[key]) for label, key in zip(labels, keys, strict=True)}
    order = sorted(names)
    classes = tuple(names[key] for key in order)
    if len(classes) < 2:
        raise UserError(f"{path}: only one label found ({classes[0]!r}); at least two are required")
    if len(classes) > MAX_CLASSES:
        raise UserError(
            f"{path}: more than {MAX_CLASSES} different labels: {_list_some(classes)}; correct the"
            " column 'label'"
        )
    return classes, {label: order.index(key) for label, key in zip(labels, keys, strict=True)}


def _class_key(label: str) -> tuple[bool, Decimal, str]:
    """Return what equal labels have in common; the order of the keys is that of the classes."""
    number = label.replace("\u2212", "-")  # the minus sign of typography
    if not NUMBER.fullmatch(number):
        return True, Decimal(0), unicodedata.normalize("NFC", label).casefold()
    value = Decimal(number.replace(",", ".")) + 0  # -0 becomes 0
    text = f"{value:f}"
    return False, value, text.rstrip("0").rstrip(".") if "." in text else text


def _to_splits(path: Path, splits: pd.Series) -> pd.Series:
    """Return the splits under the names train, test and unlabelled.

    Validation rows are training rows, because the pipeline holds out its own validation set
    (`imdb.validation`). If there are no test rows, they are the test rows.
    """
    known = splits.str.strip().str.lower().map(SPLITS)
    if known.isna().any():
        found = _list_some(sorted(splits[known.isna()].unique()))
        raise UserError(f"{path}: unknown splits: {found}; use train, test, unlabelled")
    if count := int((known == "validation").sum()):
        instead = "train" if (known == "test").any() else "test"
        log(f"the {count:,} rows of the split 'validation' join the split {instead!r}")
        known = known.replace("validation", instead)
    return known


def _unlabel(splits: pd.Series, labels: pd.Series) -> pd.Series:
    """Move the training rows without a label to the split "unlabelled"."""
    moved = (splits == "train") & (labels == "")
    if moved.any():
        log(f"{moved.sum():,} rows of the split 'train' have no label and are taken as unlabelled")
    return splits.mask(moved, "unlabelled")


def _random_split(
    path: Path, labels: pd.Series, groups: pd.Series, classes: Sequence[str]
) -> pd.Series:
    """Return the split of each row: a random test split of the labelled rows."""
    labelled = labels.index[labels >= 0]
    _check_class_counts(path, labels[labelled], classes, MIN_CLASS_ROWS, "in the table")
    test = hold_out(labels[labelled].to_numpy(), groups[labelled], TEST_FRACTION)
    of_row = labels[labelled]
    if min(of_row[test].nunique(), of_row[~test].nunique()) < len(classes):
        raise UserError(
            f"{path}: a test part of whole groups, and the rest, cannot both have all"
            f" {len(classes)} classes: use more groups, or a column 'split'"
        )
    splits = pd.Series("unlabelled", labels.index)
    splits[labelled] = np.where(test, "test", "train")
    return splits


def _iter_reviews(path: Path, labels: pd.Series, splits: pd.Series) -> Iterator[pd.DataFrame]:
    """Read the table again and yield it in chunks, with the columns that `read_archive` returns."""
    for chunk in read_chunks(path):
        yield pd.DataFrame(
            {
                "id": (chunk.index + 1).astype(str),
                "split": splits[chunk.index],
                "group": chunk["group"].str.strip() if "group" in chunk else "",
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
