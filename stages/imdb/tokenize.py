"""Stage: cut each review into words, once; the vocabulary's size is a later stage's matter."""

import argparse
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages.common.errors import StageError, run
from stages.common.files import atomic
from stages.common.processes import in_order, pool, processors
from stages.common.progress import progress, say
from stages.imdb.reviews import (
    Ids,
    Indices,
    Reviews,
    load,
    write_ids,
    write_index,
    write_offsets,
    write_words,
)
from stages.imdb.tokenizer import tokenize

AHEAD = 2  # row groups a processor that are at work or wait to be merged


def tokenize_all(texts: list[str]) -> tuple[list[str], Ids, Indices]:
    """Tokenize texts and number the distinct words in the order of their first appearance.

    Returns:
        The words, the ids (int32 [tokens]) and the number of tokens of each text (int64 [texts]).
    """
    # A new word gets the next number. (`numbers.__len__` would give it too, but then `numbers` held
    # itself, and its memory until the garbage collector comes by.)
    numbers: defaultdict[str, int] = defaultdict(count().__next__)
    ids, lengths = array("i"), array("q")
    for text in texts:
        before = len(ids)
        ids.extend(map(numbers.__getitem__, tokenize(text)))
        lengths.append(len(ids) - before)
    return list(numbers), np.array(ids, np.int32), np.array(lengths, np.int64)


@cache  # in each process: the footer of a large file takes its time
def _opened(path: Path) -> pq.ParquetFile:
    return pq.ParquetFile(path)


def _tokenize_group(task: tuple[Path, int]) -> tuple[list[str], Ids, Indices]:
    path, group = task
    column = _opened(path).read_row_group(group, columns=["text"]).column("text")
    return tokenize_all(column.to_pylist())


def tokenize_file(path: Path, folder: Path, processes: int | None = None) -> Reviews:
    """Tokenize a Parquet file of reviews into a folder, a row group at a time, on all processors.

    The result does not depend on their number: groups are merged in the file's order. What is kept
    in memory of those that are done is the distinct words and the length of each review.

    Returns:
        The reviews in the folder.

    Raises:
        StageError: when the file is not one that the download stage writes, or a process is killed.
    """
    with atomic(folder) as temporary:
        temporary.mkdir()
        try:
            file = pq.ParquetFile(path)
            write_index(file, temporary)
        except (pa.ArrowException, FileNotFoundError, ValueError) as error:
            raise StageError(f"{path}: not a table of reviews ({error})") from None
        if not file.metadata.num_rows:
            raise StageError(f"{path}: no reviews in it")
        numbers: dict[str, int] = {}
        lengths = array("q")
        with pool(processes) as executor:
            tasks = ((path, group) for group in range(file.num_row_groups))
            results = progress(
                in_order(executor, _tokenize_group, tasks, AHEAD * (processes or processors())),
                file.metadata.num_rows, "tokenize", "reviews", size=lambda result: len(result[2]),
            )  # fmt: skip
            try:
                write_ids(_merged(results, numbers, lengths), temporary)
            except BrokenProcessPool:
                raise StageError(
                    f"{path}: a process that cuts it into words was killed, most likely for want of"
                    " memory; close other programs and run again"
                ) from None
            finally:
                executor.shutdown(cancel_futures=True)
        write_words(numbers, temporary)
        write_offsets(lengths, temporary)
    return load(folder)


def _merged(
    groups: Iterable[tuple[list[str], Ids, Indices]],
    numbers: dict[str, int],
    lengths: "array[int]",
) -> Iterator[Ids]:
    """The ids of each group in the numbers of all words; add new words and the lengths to these."""
    for words, ids, group_lengths in groups:
        renumber = [numbers.setdefault(word, len(numbers)) for word in words]
        lengths.extend(group_lengths)
        yield np.array(renumber, dtype=np.int32)[ids]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reviews", type=Path, required=True)
    parser.add_argument("--tokens", type=Path, required=True)
    args = parser.parse_args()

    reviews = tokenize_file(args.reviews, args.tokens)
    say(f"tokens: {len(reviews.ids):,}, of {len(reviews.words):,} distinct words")


if __name__ == "__main__":
    run(main)
