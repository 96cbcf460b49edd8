"""Reviews as numbers: the one format in which stages hand each other tokenized text.

A folder with four files:

    words.txt       one word a line; the line's number, from 0, is the word's id
    ids.npy         int32 [tokens], the word ids of all reviews, end to end
    offsets.npy     int64 [reviews + 1]; review i is ids[offsets[i]:offsets[i + 1]]
    index.parquet   a row a review: id, split, film, stars, label; in its metadata the data's name
                    and those of the classes

It may hold more than the memory: it is written and gone through block by block, and opened without
being read. What is in memory of an open one is its words and some forty bytes a review.
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

from stages.common.errors import StageError

if TYPE_CHECKING:  # slow to import, and who rates a text needs none of it
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

Ids = npt.NDArray[np.int32]
Indices = npt.NDArray[np.int64]

BAD_OR_GOOD = ("bad", "good")  # the classes, unless texts of one's own have others
MOST_CLASSES = 100
BLOCK = 10_000  # reviews that are gone through at a time: some megabytes
INDEX = {"id": "large_string", "split": "large_string", "film": "large_string",
         "stars": "int8", "label": "int8"}  # fmt: skip
INDEX_ROWS = 1 << 17  # of the index that are written at a time: a row group


@dataclass(frozen=True)
class Reviews:
    """Tokenized reviews; `ids` may be memory-mapped.

    Attributes:
        words: the word of each id.
        ids: int32 [tokens].
        offsets: int64 [reviews + 1].
        index: a row a review (id, split, film, stars, label); split and film may be categorical.
        data: the name of the data, as it stands on every figure.
        classes: the name of each label.
    """

    words: list[str]
    ids: Ids
    offsets: Indices
    index: "pd.DataFrame"
    data: str
    classes: tuple[str, ...] = BAD_OR_GOOD

    def __getitem__(self, review: int) -> Ids:
        """The word ids of one review, int32 [review_len]."""
        return self.ids[self.offsets[review] : self.offsets[review + 1]]

    @property
    def lengths(self) -> Indices:
        """Tokens in each review, int64 [reviews]."""
        return np.diff(self.offsets)

    def where(self, *splits: str) -> Indices:
        """The numbers of the reviews in these splits, int64, ascending."""
        return np.flatnonzero(self.index["split"].isin(splits))

    @property
    def labels(self) -> Indices:
        """The number of its class in `classes`, -1 for none; int64 [reviews]."""
        return self.index["label"].to_numpy(np.int64)

    def blocks(self) -> Iterator[tuple[slice, Ids]]:
        """Go through all ids in order, those of BLOCK reviews at a time.

        Yields:
            Which reviews, and their ids, end to end. They are not to be kept: what of a file is
            mapped into the memory is let go of before the next.
        """
        for start in range(0, len(self.offsets) - 1, BLOCK):
            ends = self.offsets[start : start + BLOCK + 1]
            yield slice(start, start + BLOCK), self.ids[ends[0] : ends[-1]]
            mapped = getattr(self.ids.base, "base", None)  # of the np.memmap that `load` made
            if isinstance(mapped, mmap.mmap):
                mapped.madvise(mmap.MADV_DONTNEED)

    def counts(self, places: Indices) -> Indices:
        """How often each word occurs in some reviews, int64 [words]."""
        chosen = np.zeros(len(self.offsets) - 1, dtype=bool)
        chosen[places] = True
        lengths = self.lengths
        counts = np.zeros(len(self.words), dtype=np.int64)
        for some, ids in self.blocks():
            of_chosen = np.repeat(chosen[some], lengths[some])
            counts += np.bincount(ids[of_chosen], minlength=len(counts))
        return counts


def write_words(words: Iterable[str], folder: Path) -> None:
    """Write `words.txt`."""
    with (folder / "words.txt").open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{word}\n" for word in words)


def write_ids(blocks: Iterable[Ids], folder: Path) -> None:
    """Write `ids.npy`, a block at a time; how many ids there are is known when all are written."""
    with (folder / "ids.npy").open("wb") as file:
        count = 0
        _write_header(count, file)
        for block in blocks:
            file.write(np.ascontiguousarray(block, np.int32).data)
            count += len(block)
        file.seek(0)
        _write_header(count, file)


def _write_header(count: int, file: BinaryIO) -> None:
    """The header of int32 [count]; NumPy leaves room in it for a larger count."""
    header = np.lib.format.header_data_from_array_1_0(np.empty(0, np.int32))
    np.lib.format.write_array_header_1_0(file, header | {"shape": (count,)})


def write_offsets(lengths: "array[int]", folder: Path) -> None:
    """Write `offsets.npy`, from the number of tokens of each review, in an array of type "q"."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    np.save(folder / "offsets.npy", offsets, allow_pickle=False)


def write_index(reviews: "pq.ParquetFile", folder: Path) -> None:
    """Write `index.parquet`, a part at a time.

    Args:
        reviews: a file with the columns of the index, among others.
        folder: where to write.

    Raises:
        ValueError: when it lacks one of them.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = reviews.schema_arrow
    schema = pa.schema(INDEX, metadata=metadata(data_name(names), classes_of(names)))
    with pq.ParquetWriter(folder / "index.parquet", schema, compression="zstd") as writer:
        for batch in reviews.iter_batches(INDEX_ROWS, columns=[*INDEX]):
            writer.write_table(pa.Table.from_batches([batch]).cast(schema))


def load(folder: Path) -> Reviews:
    """Open a folder; the ids stay on the disk, memory-mapped.

    Raises:
        StageError: when a file is missing, damaged, or does not fit the others.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        words = read_words(folder / "words.txt")
        ids = np.load(folder / "ids.npy", mmap_mode="r", allow_pickle=False).view(np.ndarray)
        offsets = np.load(folder / "offsets.npy", allow_pickle=False)
        table = pq.read_table(folder / "index.parquet", read_dictionary=["split", "film"])
    except (FileNotFoundError, ValueError, EOFError, pa.ArrowException) as error:
        raise StageError(f"{folder}: not a folder of tokenized reviews ({error})") from None
    if len(offsets) != len(table) + 1 or offsets[-1] != len(ids):
        raise StageError(f"{folder}: its files do not fit each other; remove it and run again")
    names = table.schema
    return Reviews(words, ids, offsets, table.to_pandas(), data_name(names), classes_of(names))


def read_words(path: Path) -> list[str]:
    """The words of a `words.txt`, by id."""
    return path.read_text("utf-8").split("\n")[:-1]


def metadata(data: str, classes: Sequence[str]) -> dict[str, str]:
    """What a Parquet file of reviews says of itself."""
    return {"data": data, "classes": json.dumps(classes)}


def classes_of(schema: "pa.Schema") -> tuple[str, ...]:
    """The names of the classes, from a Parquet file's metadata."""
    return tuple(json.loads((schema.metadata or {}).get(b"classes", json.dumps(BAD_OR_GOOD))))


def data_name(schema: "pa.Schema") -> str:
    """The name of the data, from a Parquet file's metadata."""
    return str((schema.metadata or {}).get(b"data", b"unnamed reviews").decode("utf-8"))


def split_by_film(index: "pd.DataFrame", fraction: float) -> tuple[Indices, Indices]:
    """Hold out the training reviews of a fraction of the films, for validation.

    Where films are unknown, runs of 50 neighbours stand in for them, since the reviews of one film
    mostly stand side by side.

    Args:
        index: a row a review, with the columns split, film and label.
        fraction: of the films; 0: none.

    Returns:
        The numbers of the reviews to train and to validate on, int64, ascending.

    Raises:
        StageError: when what is left to train on lacks a class, or there is nothing left.
    """
    train = np.flatnonzero(index["split"] == "train")
    if fraction == 0:
        return train, train[:0]
    from sklearn.model_selection import GroupShuffleSplit

    films = index["film"].iloc[train].astype("category")
    films = films.cat.reorder_categories(sorted(films.cat.categories))  # numbered in their order
    groups = films.cat.codes.to_numpy() if (films != "").all() else train // 50
    splitter = GroupShuffleSplit(n_splits=1, test_size=fraction, random_state=0)
    labels = index["label"].to_numpy()[train]
    try:
        kept, held_out = next(splitter.split(train, groups=groups))
    except ValueError:  # of a single group none is left
        kept = held_out = train[:0]
    if {*labels[kept]} < {*labels}:
        raise StageError(
            f"imdb.validation = {fraction}: of the {len(train):,} training reviews those of a"
            " whole class would be held out, so few they are; set it to 0"
        )
    return train[kept], train[held_out]
