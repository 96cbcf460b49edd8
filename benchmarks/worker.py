"""The process of a contender of `benchmarks.lstm`.

This module runs in the environment of every contender, so it imports only NumPy and the standard
library.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]

CHECKS_PER_EPOCH, MAX_EPOCHS = 4, 6  # of the time to an accuracy


@dataclass(frozen=True)
class Data:
    """The labelled reviews, and the sizes that all contenders share.

    Attributes:
        ids: int32 [tokens], word ids of all reviews, end to end; 0 is padding.
        offsets: int64 [reviews + 1]; review i is ids[offsets[i]:offsets[i + 1]].
        labels: int64 [reviews], 0 or 1.
        train_indices, val_indices: int64, the reviews to train and to validate on.
        vocab_size, embedding_dim, hidden_size, batch_size: Sizes.
        max_length: Words per review; a longer review is cropped.
    """

    ids: npt.NDArray[np.int32]
    offsets: Int64s
    labels: Int64s
    train_indices: Int64s
    val_indices: Int64s
    vocab_size: int
    embedding_dim: int
    hidden_size: int
    batch_size: int
    max_length: int

    def __getitem__(self, review: int) -> npt.NDArray[np.int32]:
        return self.ids[self.offsets[review] : self.offsets[review + 1]]

    @property
    def lengths(self) -> Int64s:
        """Number of words of each review after cropping."""
        return np.minimum(np.diff(self.offsets), self.max_length)


def save_data(data: Data, path: Path) -> None:
    """Write a file for `load_data`."""
    np.savez(path, **vars(data))


def load_data(path: Path) -> Data:
    """Read a file of `save_data`."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {field.name: file[field.name] for field in fields(Data)}
    values: dict[str, Any] = {name: a if a.ndim else int(a) for name, a in arrays.items()}
    return Data(**values)


class Contender(Protocol):
    """A network in training."""

    def restart(self) -> None:
        """Start again from random weights."""

    def train(self, num_batches: int) -> int:
        """Train for a number of steps; return the number of words in them, without padding."""

    def accuracy(self) -> float:
        """Return the accuracy on the validation reviews."""


class ShuffledStream:
    """Indices in random order, epoch after epoch without end."""

    def __init__(self, indices: Int64s, seed: int) -> None:
        self.indices, self.rng = indices, np.random.default_rng(seed)
        self.remaining = indices[:0]

    def take(self, count: int) -> Int64s:
        """Return the next `count` indices."""
        while len(self.remaining) < count:
            self.remaining = np.concatenate([self.remaining, self.rng.permutation(self.indices)])
        taken, self.remaining = self.remaining[:count], self.remaining[count:]
        return taken


def throughput(contender: Contender, seconds: float) -> dict[str, float]:
    """Train for about `seconds`; return the `tokens` and the `seconds` that they took.

    A few batches before the measurement are not counted: they compile and allocate.
    """
    contender.train(2)
    per_batch = timed_train(contender, 4)[1] / 4
    tokens, elapsed = timed_train(contender, max(1, round(seconds / per_batch)))
    return {"tokens": tokens, "seconds": elapsed}


def time_to_accuracy(
    contender: Contender, num_batches: int, max_checks: int, target: float, limit: float
) -> dict[str, float]:
    """Train from random weights until the validation accuracy reaches a target.

    Args:
        contender: The network.
        num_batches: Steps between two measurements of the accuracy, which do not count as time.
        max_checks: Measurements after which to stop.
        target: Accuracy.
        limit: Seconds of training after which to stop.

    Returns:
        The `seconds` of training and the `accuracy` at the end.
    """
    contender.train(2)
    contender.restart()
    elapsed = accuracy = 0.0
    for _ in range(max_checks):
        elapsed += timed_train(contender, num_batches)[1]
        accuracy = contender.accuracy()
        if accuracy >= target or elapsed >= limit:
            break
    return {"seconds": elapsed, "accuracy": accuracy}


def timed_train(contender: Contender, num_batches: int) -> tuple[int, float]:
    """Return the number of words in some steps, and the seconds that they take."""
    start = time.perf_counter()
    tokens = contender.train(num_batches)
    return tokens, time.perf_counter() - start


def main(make_contender: Callable[[Data, argparse.Namespace], Contender]) -> None:
    """Measure one contender and print the result as the last line, in JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("contender", help="the library or its backend")
    parser.add_argument("data", type=Path, help="a file of `save_data`")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, help="measure the throughput for that long")
    parser.add_argument("--target", type=float, default=0.85, help="or measure the time to it")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds")
    args = parser.parse_args()
    data = load_data(args.data)
    contender = make_contender(data, args)
    if args.seconds:
        result = throughput(contender, args.seconds)
    else:
        batches_per_epoch = -(-len(data.train_indices) // data.batch_size)
        num_batches = max(1, round(batches_per_epoch / CHECKS_PER_EPOCH))
        max_checks = MAX_EPOCHS * CHECKS_PER_EPOCH
        result = time_to_accuracy(contender, num_batches, max_checks, args.target, args.limit)
    print(json.dumps(result))
