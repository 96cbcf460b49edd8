"""The side of a contender that learns in a process of its own, and takes its turns when told.

Runs in every contender's environment: nothing but the standard library and NumPy here.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Data:
    """The labelled reviews, and how everyone is to learn from them.

    Attributes:
        ids: int32 [tokens], the words of all reviews, end to end; 0 is padding.
        offsets: int64 [reviews + 1]; review i is ids[offsets[i]:offsets[i + 1]].
        labels: int64 [reviews], 0 or 1.
        train, held_out: int64, the numbers of the reviews to train on and to be judged by.
        vocabulary, embedding_dim, hidden, batch, window: sizes; of a longer review one sees as
            many words in a row as the window holds.
    """

    ids: npt.NDArray[np.int32]
    offsets: Numbers
    labels: Numbers
    train: Numbers
    held_out: Numbers
    vocabulary: int
    embedding_dim: int
    hidden: int
    batch: int
    window: int

    def __getitem__(self, review: int) -> npt.NDArray[np.int32]:
        return self.ids[self.offsets[review] : self.offsets[review + 1]]

    @property
    def lengths(self) -> Numbers:
        """Words of each review within the window."""
        return np.minimum(np.diff(self.offsets), self.window)


def save(data: Data, path: Path) -> None:
    """Write what `load` reads."""
    np.savez(path, **vars(data))


def load(path: Path) -> Data:
    """Read a file that the benchmark wrote."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {field.name: file[field.name] for field in fields(Data)}
    values: dict[str, Any] = {name: a if a.ndim else int(a) for name, a in arrays.items()}
    return Data(**values)


class Contender(Protocol):
    """A network under training."""

    def restart(self) -> None:
        """Forget all that was learned."""

    def learn(self, batches: int) -> int:
        """Take so many steps more, and tell how many words of text were in them, no padding."""

    def accuracy(self) -> float:
        """The share of the held-out reviews rated right."""


class Order:
    """The training reviews at random, epoch after epoch without end."""

    def __init__(self, places: Numbers, seed: int) -> None:
        self.places, self.generator = places, np.random.default_rng(seed)
        self.left = places[:0]

    def take(self, count: int) -> Numbers:
        """The next so many."""
        while len(self.left) < count:
            self.left = np.concatenate([self.left, self.generator.permutation(self.places)])
        taken, self.left = self.left[:count], self.left[count:]
        return taken


class Turns:
    """What a contender does when told."""

    def __init__(self, contender: Contender, data: Data) -> None:
        self.contender = contender
        self.batches_an_epoch = -(-len(data.train) // data.batch)
        self.batches_a_second = 0.0

    def speed(self, seconds: float) -> dict[str, float]:
        """Train for about so long; how many words of text that was, and how long it took.

        The first time something is compiled, memory is got: a few batches before do not count.
        """
        if not self.batches_a_second:
            self._timed(2)
            self._timed(4)
        tokens, taken = self._timed(max(1, round(seconds * self.batches_a_second)))
        return {"tokens": tokens, "seconds": taken}

    def race(self, target: float, limit: float, checks: float, epochs: float) -> dict[str, Any]:
        """Train from the beginning until `target` of the held-out reviews are rated right.

        Args:
            target: the share of the held-out reviews.
            limit: seconds of training after which to give up.
            checks: so many an epoch; they do not count as time.
            epochs: after which to give up.

        Returns:
            The seconds of training and the accuracy at each check.
        """
        self.contender.restart()
        seconds, curve = 0.0, []
        chunk = max(1, round(self.batches_an_epoch / checks))
        for _ in range(round(checks * epochs)):
            seconds += self._timed(chunk)[1]
            curve.append([seconds, self.contender.accuracy()])
            if curve[-1][1] >= target or seconds >= limit:
                break
        return {"curve": curve}

    def _timed(self, batches: int) -> tuple[int, float]:
        start = time.perf_counter()
        tokens = self.contender.learn(batches)
        taken = time.perf_counter() - start
        self.batches_a_second = batches / taken
        return tokens, taken


def serve(make: Callable[[Data], Contender], path: Path) -> None:
    """Answer each order, a line of JSON on stdin, by a line of JSON on stdout, until it closes."""
    # Libraries print to stdout what is no answer: give them stderr.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    data = load(path)
    turns = Turns(make(data), data)
    for line in sys.stdin:
        order = json.loads(line)
        result = turns.race(**order) if "target" in order else turns.speed(**order)
        answers.write(json.dumps(result) + "\n")
        answers.flush()
