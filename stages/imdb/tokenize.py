"""Stage: cut each review into words, once; the vocabulary's size is a later stage's matter."""

import argparse
from array import array
from collections import defaultdict
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages.common.errors import StageError, run
from stages.common.processes import pool
from stages.common.progress import progress, say
from stages.imdb.reviews import Ids, Indices, Reviews, data_name, save
from stages.imdb.tokenizer import tokenize


def tokenize_all(texts: list[str]) -> tuple[list[str], Ids, Indices]:
    """Tokenize texts and number the distinct words in the order of their first appearance.

    Returns:
        The words, the ids (int32 [tokens]) and the number of tokens of each text (int64 [texts]).
    """
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__  # a new word gets the next number
    ids, lengths = array("i"), array("q")
    for text in texts:
        before = len(ids)
        ids.extend(map(numbers.__getitem__, tokenize(text)))
        lengths.append(len(ids) - before)
    return list(numbers), np.array(ids, np.int32), np.array(lengths, np.int64)


def _tokenize_group(task: tuple[Path, int]) -> tuple[list[str], Ids, Indices]:
    path, group = task
    column = pq.ParquetFile(path).read_row_group(group, columns=["text"]).column("text")
    return tokenize_all(column.to_pylist())


def tokenize_file(path: Path, processes: int | None = None) -> Reviews:
    """Tokenize a Parquet file of reviews, a row group at a time, on all processors.

    The result does not depend on their number: groups are merged in the file's order.

    Raises:
        StageError: when the file is not one that the download stage writes, or a process is killed.
    """
    try:
        file = pq.ParquetFile(path)
        index = file.read(columns=["id", "split", "film", "stars", "label"]).to_pandas()
    except (pa.ArrowException, FileNotFoundError) as error:
        raise StageError(f"{path}: not a table of reviews ({error})") from None
    if index.empty:
        raise StageError(f"{path}: no reviews in it")

    numbers: dict[str, int] = {}
    ids: list[Ids] = []
    lengths: list[Indices] = []
    tasks = [(path, group) for group in range(file.num_row_groups)]
    with pool(processes) as executor:
        results = progress(
            executor.map(_tokenize_group, tasks),
            len(index), "tokenize", "review", size=lambda result: len(result[2]),
        )  # fmt: skip
        try:
            for words, group_ids, group_lengths in results:
                renumber = np.array(
                    [numbers.setdefault(word, len(numbers)) for word in words], dtype=np.int32
                )
                ids.append(renumber[group_ids])
                lengths.append(group_lengths)
        except BrokenProcessPool:
            raise StageError(
                f"{path}: a process that cuts it into words was killed, most likely for want of"
                " memory; close other programs and run again"
            ) from None
        finally:
            executor.shutdown(cancel_futures=True)
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
    return Reviews(list(numbers), np.concatenate(ids), offsets, index, data_name(file.schema_arrow))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reviews", type=Path, required=True)
    parser.add_argument("--tokens", type=Path, required=True)
    args = parser.parse_args()

    reviews = tokenize_file(args.reviews)
    save(reviews, args.tokens)
    say(f"tokens: {len(reviews.ids):,}, of {len(reviews.words):,} distinct words")


if __name__ == "__main__":
    run(main)
