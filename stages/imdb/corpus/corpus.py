"""The corpus of tokenized reviews, in the file format that the stages share.

A corpus is a folder with four files:

    vocab.txt         one word per line; the line number, starting at 0, is the word's id
    ids.npy           int32 [tokens], the word ids of all reviews, concatenated
    offsets.npy       int64 [reviews + 1]; review i is ids[offsets[i]:offsets[i + 1]]
    metadata.parquet  one row per review: id, split, group, stars, label. The metadata of its
                      schema hold the name of the data set and the names of the classes.

A corpus may be larger than memory: it is written and read in blocks, and `load_corpus` maps the
ids instead of reading them. An open corpus keeps in memory the vocabulary and about 40 bytes per
review.
"""

import json
import mmap
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt

from stages.common.errors import UserError
from stages.common.progress import log

if TYPE_CHECKING:  # slow to import, and predicting a text needs none of them
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

Ids = npt.NDArray[np.int32]
Indices = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

PAD, UNK = 0, 1
SPECIAL_TOKENS = ["<pad>", "<unk>"]  # by id; the tokenizer never produces angle brackets

DEFAULT_CLASSES = ("bad", "good")  # by label
MAX_CLASSES = 100

# Names of the data sets of stage `download` that are film reviews; other data are the user's texts.
IMDB_DATA_NAMES = ("IMDB, official split", "IMDB training reviews only, held-out fifth")

BLOCK_REVIEWS = 10_000  # reviews per block: a few megabytes
METADATA_SCHEMA = {
    "id": "large_string",
    "split": "large_string",
    "group": "large_string",
    "stars": "int8",
    "label": "int8",
}
METADATA_ROW_GROUP = 1 << 17  # rows


@dataclass(frozen=True)
class Corpus:
    """Tokenized reviews.

    Attributes:
        vocab: The word of each id.
        ids: int32 [tokens], word ids of all reviews, concatenated; may be memory-mapped.
        offsets: int64 [reviews + 1]; review i is `ids[offsets[i]:offsets[i + 1]]`.
        metadata: One row per review, with the columns id, split ("train", "test" or "unlabelled"),
            group (such as the movie; "" if unknown), stars and label. split and group may be
            categorical.
        data_name: Name of the data set, as shown in the figures.
        classes: Name of the class of each label.
        backward: Whether each review is read from its last word to its first.
    """

    vocab: list[str]
    ids: Ids
    offsets: Indices
    metadata: "pd.DataFrame"
    data_name: str
    classes: tuple[str, ...] = DEFAULT_CLASSES
    backward: bool = False

    def __getitem__(self, review: int) -> Ids:
        """Return the word ids of one review, int32 [length]."""
        ids = self.ids[self.offsets[review] : self.offsets[review + 1]]
        return ids[::-1] if self.backward else ids

    @property
    def lengths(self) -> Indices:
        """Number of tokens of each review, int64 [reviews]."""
        return np.diff(self.offsets)

    @property
    def labels(self) -> Indices:
        """Index into `classes` of each review's class, -1 if unlabelled; int64 [reviews]."""
        return self.metadata["label"].to_numpy(np.int64)

    def split_indices(self, *splits: str) -> Indices:
        """Return the indices of the reviews in these splits, int64, ascending."""
        return np.flatnonzero(self.metadata["split"].isin(splits))

    def iter_blocks(self) -> Iterator[tuple[slice, Ids]]:
        """Iterate over all ids in order, BLOCK_REVIEWS reviews at a time.

        Yields:
            The slice of reviews in the block, and their ids, concatenated. Do not keep a reference
            to the ids: a memory-mapped block is released before the next one.
        """
        for start in range(0, len(self.offsets) - 1, BLOCK_REVIEWS):
            ends = self.offsets[start : start + BLOCK_REVIEWS + 1]
            yield slice(start, start + BLOCK_REVIEWS), self.ids[ends[0] : ends[-1]]
            mapped = getattr(self.ids.base, "base", None)  # of the np.memmap in `load_corpus`
            if isinstance(mapped, mmap.mmap):
                mapped.madvise(mmap.MADV_DONTNEED)

    def word_counts(self, indices: Indices) -> Indices:
        """Return how often each word occurs in the reviews `indices`, int64 [words]."""
        selected = np.zeros(len(self.offsets) - 1, dtype=bool)
        selected[indices] = True
        lengths = self.lengths
        counts = np.zeros(len(self.vocab), dtype=np.int64)
        for block, ids in self.iter_blocks():
            token_selected = np.repeat(selected[block], lengths[block])
            counts += np.bincount(ids[token_selected], minlength=len(counts))
        return counts


def text_noun(data_name: str) -> str:
    """Return what figures and messages call a text of this data set."""
    return "review" if data_name in IMDB_DATA_NAMES else "text"


def write_vocab(vocab: Iterable[str], folder: Path) -> None:
    """Write `vocab.txt`."""
    with (folder / "vocab.txt").open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{word}\n" for word in vocab)


def read_vocab(path: Path) -> list[str]:
    """Read the words of a `vocab.txt`, in the order of their ids."""
    return path.read_text("utf-8").split("\n")[:-1]


def write_ids(blocks: Iterable[Ids], folder: Path) -> None:
    """Write `ids.npy` block by block; the total number of ids need not be known in advance."""
    with (folder / "ids.npy").open("wb") as file:
        count = 0
        _write_header(count, file)
        for block in blocks:
            file.write(np.ascontiguousarray(block, np.int32).data)
            count += len(block)
        file.seek(0)
        _write_header(count, file)


def _write_header(count: int, file: BinaryIO) -> None:
    """Write the header of an int32 [count] array; NumPy pads it so that any count fits."""
    header = np.lib.format.header_data_from_array_1_0(np.empty(0, np.int32))
    np.lib.format.write_array_header_1_0(file, header | {"shape": (count,)})


def write_offsets(lengths: "array[int]", folder: Path) -> None:
    """Write `offsets.npy` from the number of tokens of each review, an array of type "q"."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    np.save(folder / "offsets.npy", offsets, allow_pickle=False)


def write_metadata(reviews: "pq.ParquetFile", folder: Path) -> None:
    """Write `metadata.parquet`, one row group at a time.

    Args:
        reviews: File that has the metadata columns, and possibly others.
        folder: Folder of the corpus.

    Raises:
        ValueError: If a column is missing.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = reviews.schema_arrow
    schema = pa.schema(
        METADATA_SCHEMA, metadata=schema_metadata(read_data_name(source), read_classes(source))
    )
    with pq.ParquetWriter(folder / "metadata.parquet", schema, compression="zstd") as writer:
        for batch in reviews.iter_batches(METADATA_ROW_GROUP, columns=[*METADATA_SCHEMA]):
            writer.write_table(pa.Table.from_batches([batch]).cast(schema))


def load_corpus(folder: Path, backward: bool = False) -> Corpus:
    """Open a corpus; its ids are memory-mapped.

    Args:
        folder: Folder of the corpus.
        backward: Whether to read each review from its last word to its first.

    Raises:
        UserError: If a file is missing or damaged, or the files do not belong together.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        vocab = read_vocab(folder / "vocab.txt")
        ids = np.load(folder / "ids.npy", mmap_mode="r", allow_pickle=False).view(np.ndarray)
        offsets = np.load(folder / "offsets.npy", allow_pickle=False)
        table = pq.read_table(folder / "metadata.parquet", read_dictionary=["split", "group"])
    except (FileNotFoundError, ValueError, EOFError, pa.ArrowException) as error:
        raise UserError(
            f"{folder}: not a folder of tokenized reviews ({error}); run dvc repro"
        ) from None
    if len(offsets) != len(table) + 1 or offsets[-1] != len(ids):
        raise UserError(f"{folder}: its files do not belong together; remove it and run dvc repro")
    return Corpus(
        vocab=vocab,
        ids=ids,
        offsets=offsets,
        metadata=table.to_pandas(),
        data_name=read_data_name(table.schema),
        classes=read_classes(table.schema),
        backward=backward,
    )


def schema_metadata(data_name: str, classes: Sequence[str]) -> dict[str, str]:
    """Return the schema metadata of a Parquet file of reviews."""
    return {"data_name": data_name, "classes": json.dumps(classes)}


def read_data_name(schema: "pa.Schema") -> str:
    """Return the name of the data set of a Parquet file of reviews."""
    return str((schema.metadata or {}).get(b"data_name", b"unnamed reviews").decode("utf-8"))


def read_classes(schema: "pa.Schema") -> tuple[str, ...]:
    """Return the names of the classes of a Parquet file of reviews."""
    return tuple(json.loads((schema.metadata or {}).get(b"classes", json.dumps(DEFAULT_CLASSES))))


def group_train_val_split(metadata: "pd.DataFrame", fraction: float) -> tuple[Indices, Indices]:
    """Split the training reviews into a training and a validation part.

    Args:
        metadata: One row per review, with the columns split, group and label.
        fraction: Fraction held out for validation, as `hold_out` does it; 0 holds out none.

    Returns:
        The indices of the training and of the validation reviews, int64, ascending. If there are
        too few reviews, or no review of some class would be left to train on, the validation part
        is empty.
    """
    train = np.flatnonzero(metadata["split"] == "train")
    if fraction == 0:
        return train, train[:0]
    labels = metadata["label"].to_numpy()[train]
    held_out = hold_out(labels, metadata["group"].iloc[train], fraction)
    if not held_out.any() or {*labels[~held_out]} < {*labels}:
        log(
            f"imdb.validation = {fraction}: no review is held out for validation, because the"
            f" {len(train):,} training reviews are too few or in too few groups"
        )
        held_out[:] = False
    return train[~held_out], train[held_out]


def hold_out(labels: npt.NDArray[np.integer], groups: "pd.Series", fraction: float) -> Mask:
    """Choose rows to hold out at random.

    If any group is known, the groups (such as movies) are chosen, and a row whose group is "" is a
    group of its own. Otherwise rows are chosen, the same fraction of each class.

    Args:
        labels: Class of each row, int [rows].
        groups: Group of each row, str [rows].
        fraction: Fraction of the groups, or of the rows of each class, to hold out.

    Returns:
        Whether each row is held out, bool [rows].
    """
    held_out = np.zeros(len(labels), dtype=bool)
    unknown = (groups == "").to_numpy()
    if unknown.all():
        generator = np.random.default_rng(0)
        for label in np.unique(labels):
            rows = generator.permutation(np.flatnonzero(labels == label))
            held_out[rows[: round(fraction * len(rows))]] = True
        return held_out
    from sklearn.model_selection import GroupShuffleSplit  # slow to import

    names = groups.astype("category")
    names = names.cat.reorder_categories(sorted(names.cat.categories))  # codes in this order
    codes = np.where(unknown, -1 - np.arange(len(labels)), names.cat.codes.astype(np.int64))
    if len(np.unique(codes)) > 1:
        splitter = GroupShuffleSplit(n_splits=1, test_size=fraction, random_state=0)
        held_out[next(splitter.split(labels, groups=codes))[1]] = True
    return held_out
