"""Stage: cut each review into words, once; the vocabulary's size is a later stage's matter."""

import argparse
import os
import re
import signal
import threading
from array import array
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages.common.errors import StageError, run
from stages.common.progress import progress, say
from stages.imdb.reviews import Ids, Indices, Reviews, data_name, save

# A word is letters and digits, with apostrophes inside ("don't" is one word: "not" is in it);
# of the punctuation marks, those that carry meaning beyond their sentence.
TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[!?]")
BREAK = "<br />"


def tokenize(text: str) -> list[str]:
    """Cut a text into lower-case words.

    >>> tokenize("It wasn't <br />BAD at all!")
    ['it', "wasn't", 'bad', 'at', 'all', '!']
    """
    return TOKEN.findall(text.replace(BREAK, " ").lower())


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


def _start_process() -> None:
    """Leave Ctrl-C to the parent, and end when it does: one that was killed sends no word."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := parent_process():
        parent.join()
        os._exit(1)


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
    # Not multiprocessing's own pool, which waits for ever for a process that was killed.
    with ProcessPoolExecutor(processes, get_context("spawn"), _start_process) as pool:
        results = progress(
            pool.map(_tokenize_group, tasks),
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
