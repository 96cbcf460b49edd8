"""Reviews as numbers: the one format in which stages hand each other tokenized text.

A folder with four files:

    words.txt       one word a line; the line's number, from 0, is the word's id
    ids.npy         int32 [tokens], the word ids of all reviews, end to end
    offsets.npy     int64 [reviews + 1]; review i is ids[offsets[i]:offsets[i + 1]]
    index.parquet   a row a review: id, split, film, stars, label; the data's name in its metadata
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from stages.common.errors import StageError
from stages.common.files import atomic

if TYPE_CHECKING:  # slow to import, and who rates a text needs none of it
    import pandas as pd
    import pyarrow as pa

Ids = npt.NDArray[np.int32]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Reviews:
    """Tokenized reviews; `ids` may be memory-mapped.

    Attributes:
        words: the word of each id.
        ids: int32 [tokens].
        offsets: int64 [reviews + 1].
        index: a row a review (id, split, film, stars, label).
        data: the name of the data, as it stands on every figure.
    """

    words: list[str]
    ids: Ids
    offsets: Indices
    index: "pd.DataFrame"
    data: str

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
        """1 good, 0 bad, -1 unlabelled; int64 [reviews]."""
        return self.index["label"].to_numpy(np.int64)


def save(reviews: Reviews, folder: Path) -> None:
    """Write the folder whole, or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with atomic(folder) as temporary:
        temporary.mkdir()
        (temporary / "words.txt").write_text("".join(w + "\n" for w in reviews.words), "utf-8")
        np.save(temporary / "ids.npy", reviews.ids, allow_pickle=False)
        np.save(temporary / "offsets.npy", reviews.offsets, allow_pickle=False)
        table = pa.Table.from_pandas(reviews.index, preserve_index=False)
        table = table.replace_schema_metadata({"data": reviews.data})
        pq.write_table(table, temporary / "index.parquet", compression="zstd")


def load(folder: Path) -> Reviews:
    """Open a folder; the ids stay on the disk, memory-mapped.

    Raises:
        StageError: when a file is missing, damaged, or does not fit the others.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        words = read_words(folder / "words.txt")
        ids = np.load(folder / "ids.npy", mmap_mode="r", allow_pickle=False)
        offsets = np.load(folder / "offsets.npy", allow_pickle=False)
        table = pq.read_table(folder / "index.parquet")
    except (FileNotFoundError, ValueError, EOFError, pa.ArrowException) as error:
        raise StageError(f"{folder}: not a folder of tokenized reviews ({error})") from None
    if len(offsets) != len(table) + 1 or offsets[-1] != len(ids):
        raise StageError(f"{folder}: its files do not fit each other; remove it and run again")
    return Reviews(words, ids, offsets, table.to_pandas(), data_name(table.schema))


def read_words(path: Path) -> list[str]:
    """The words of a `words.txt`, by id."""
    return path.read_text("utf-8").split("\n")[:-1]


def data_name(schema: "pa.Schema") -> str:
    """The name of the data, from a Parquet file's metadata."""
    return str((schema.metadata or {}).get(b"data", b"unnamed reviews").decode("utf-8"))


def split_by_film(index: "pd.DataFrame", fraction: float) -> tuple[Indices, Indices]:
    """Hold out the training reviews of a fraction of the films, for validation.

    Where films are unknown, runs of 50 neighbours stand in for them, since the reviews of one film
    mostly stand side by side.

    Args:
        index: a row a review, with the columns split and film.
        fraction: of the films; 0: none.

    Returns:
        The numbers of the reviews to train and to validate on, int64, ascending.
    """
    train = np.flatnonzero(index["split"] == "train")
    if fraction == 0:
        return train, train[:0]
    from sklearn.model_selection import GroupShuffleSplit

    films = index["film"].to_numpy()[train]
    groups = films if films.all() else train // 50
    splitter = GroupShuffleSplit(n_splits=1, test_size=fraction, random_state=0)
    kept, held_out = next(splitter.split(train, groups=groups))
    return train[kept], train[held_out]
