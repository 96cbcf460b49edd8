"""Stage: tokenize every review once, over all distinct words.

The stage `vocabulary` then limits the words, so that its parameters do not tokenize again.
"""

import argparse
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages.common.errors import UserError, run_main
from stages.common.files import atomic_write
from stages.common.processes import cpu_count, map_bounded, process_pool
from stages.common.progress import log, progress
from stages.imdb.corpus.corpus import (
    Corpus,
    Ids,
    Indices,
    load_corpus,
    write_ids,
    write_metadata,
    write_offsets,
    write_vocab,
)
from stages.imdb.corpus.tokenizer import tokenize

PREFETCH = 2  # row groups per processor that are being tokenized or wait to be merged

Numericalized = tuple[list[str], Ids, Indices]


def numericalize(texts: list[str]) -> Numericalized:
    """Tokenize texts; ids are assigned to distinct words in the order of first appearance.

    Returns:
        The word of each id, the ids of all texts (int32 [tokens]) and the number of tokens of each
        text (int64 [texts]).
    """
    # A new word gets the next id. The factory is not `word_to_id.__len__`, because the dictionary
    # would then reference itself and stay in memory until the garbage collector runs.
    word_to_id: defaultdict[str, int] = defaultdict(count().__next__)
    ids, lengths = array("i"), array("q")
    for text in texts:
        start = len(ids)
        ids.extend(map(word_to_id.__getitem__, tokenize(text)))
        lengths.append(len(ids) - start)
    return list(word_to_id), np.array(ids, np.int32), np.array(lengths, np.int64)


@cache  # per process: reading the footer of a large file takes time
def _open(path: Path) -> pq.ParquetFile:
    return pq.ParquetFile(path)


def _numericalize_row_group(task: tuple[Path, int]) -> Numericalized:
    path, group = task
    column = _open(path).read_row_group(group, columns=["text"]).column("text")
    return numericalize(column.to_pylist())


def tokenize_file(path: Path, folder: Path, num_processes: int | None = None) -> Corpus:
    """Tokenize a Parquet file of reviews into a corpus, one row group at a time, in parallel.

    The row groups are merged in the order of the file, so the result does not depend on the number
    of processes. The vocabulary and the length of each review are kept in memory; texts and ids of
    finished row groups are not.

    Args:
        path: Parquet file that the download stage wrote.
        folder: Folder of the corpus, which is replaced.
        num_processes: Number of processes. None: one per processor.

    Returns:
        The corpus in `folder`.

    Raises:
        UserError: If the file is not a table of reviews, or a process is killed.
    """
    with atomic_write(folder) as temporary:
        temporary.mkdir()
        try:
            file = pq.ParquetFile(path)
            write_metadata(file, temporary)
        except (pa.ArrowException, FileNotFoundError, ValueError) as error:
            raise UserError(f"{path}: not a table of reviews ({error}); run dvc repro") from None
        num_reviews = file.metadata.num_rows
        if not num_reviews:
            raise UserError(f"{path}: no reviews in it; correct imdb.source in params.yaml")
        word_to_id: dict[str, int] = {}
        lengths = array("q")
        tasks = ((path, group) for group in range(file.num_row_groups))
        buffersize = PREFETCH * (num_processes or cpu_count())
        with process_pool(num_processes) as executor:
            groups = progress(
                map_bounded(executor, _numericalize_row_group, tasks, buffersize),
                num_reviews,
                "tokenize",
                "reviews",
                size=lambda group: len(group[2]),
            )
            write_ids(_merge_vocabularies(groups, word_to_id, lengths), temporary)
        write_vocab(word_to_id, temporary)
        write_offsets(lengths, temporary)
    return load_corpus(folder)


def _merge_vocabularies(
    groups: Iterable[Numericalized], word_to_id: dict[str, int], lengths: "array[int]"
) -> Iterator[Ids]:
    """Yield the ids of each group in terms of `word_to_id`; extend `word_to_id` and `lengths`."""
    for words, ids, group_lengths in groups:
        new_ids = [word_to_id.setdefault(word, len(word_to_id)) for word in words]
        lengths.extend(group_lengths)
        yield np.array(new_ids, dtype=np.int32)[ids]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reviews", type=Path, required=True)
    parser.add_argument("--tokens", type=Path, required=True)
    args = parser.parse_args()

    corpus = tokenize_file(args.reviews, args.tokens)
    log(f"tokenize: {len(corpus.ids):,} tokens, {len(corpus.vocab):,} distinct words")


if __name__ == "__main__":
    run_main(main)
