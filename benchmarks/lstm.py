"""Time the training of the LSTM beside the usual PyTorch recipe and Keras 3.

    python -m benchmarks.lstm            about ten minutes on two processors
    python -m benchmarks.lstm --quick    a look whether all runs, on a twentieth of the reviews

Everyone trains an embedding, one LSTM of the same size and a fully connected layer on the same
labelled training reviews of IMDB, with the same two-way labels, batch and window, each in a process
of its own on the same processors. They take turns, several rounds; what is told are medians. Only
words of text count for the speed, never padding. A turn begins with the first batch: imports,
compiling and setting up do not count, nor what is done once, like Keras' `pad_sequences`; all that
is done for each batch or each `fit` does.

Then each begins anew, from random weights, until it rates a given share of held-out training
reviews right; it is looked at several times an epoch, and only training counts as time. No test
review has a part in any of this.

What differs is the point, or cannot be helped:

- Ours: batches of reviews of similar length, bfloat16 where the processor has it, memory kept by
  the C library, gradients clipped, a scheduled learning rate; the output sees the last state, the
  mean and the maximum; a long review is seen in windows from anywhere, and whole when it is rated.
- PyTorch, the usual recipe: random batches, padded to the longest, packed; float32; Adam at its
  own learning rate; the output sees the last state. Of a long review it sees the first words.
  (On the way back through packed reviews PyTorch fills, for every step in time, a tensor as large
  as all gates of the batch, in memory fresh from the system: more than half of its time.)
- Keras: all reviews padded to the window, masked; float32; `fit`; Adam at its own learning rate;
  the last state. Of a long review it sees the last words. What it pads it computes too.
- Two seeds side by side is how the pipeline trains: two networks, a process and a thread each.
  Their words count together; the race is over when both have arrived.

The race says what a recipe is worth, not a library: ours has the pipeline's parameters, chosen on
held-out training reviews, the others what their tutorials have. The share of the peak is what the
LSTM's matrix products, forward and backward, make of the speed of PyTorch's own large matrix
products, on the same threads in the same rounds. Writes benchmarks/lstm.md.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import (
    VOCABULARY,
    WITHIN,
    MissingError,
    Worker,
    ended,
    machine,
    pinned,
    ratio,
    seconds_of,
    table,
    take_turns,
    use_processors,
    venv,
    write,
)
from benchmarks.turns import Data, save
from stages.common import params
from stages.common.errors import run
from stages.common.progress import say
from stages.imdb.params import Imdb
from stages.imdb.reviews import Reviews, load, split_by_film

OURS = "ours"
HELD_OUT = 0.1  # of the films
HIDDEN = [128, 256]  # the first one races
PRODUCT = 2048  # rows and columns of the matrices for the peak
NEVER = float("inf")

Turn = dict[str, Any]
Team = Callable[[], list[Worker]]  # starts a contender: one process, or some side by side


def data_of(reviews: Reviews, settings: Imdb, hidden: int, held_out: float = HELD_OUT) -> Data:
    """The labelled training reviews, and no other; some of the films held out."""
    train, validation = split_by_film(reviews.index, held_out)
    kept = np.sort(np.concatenate([train, validation]))
    lengths = reviews.lengths[kept]
    return Data(
        ids=np.concatenate([reviews[i] for i in kept]),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        labels=reviews.labels[kept],
        train=np.searchsorted(kept, train),
        held_out=np.searchsorted(kept, validation),
        vocabulary=len(reviews.words),
        embedding_dim=settings.embedding_dim,
        hidden=hidden,
        batch=settings.lstm.batch,
        window=settings.lstm.window,
    )


def teams(path: Path, threads: int) -> dict[str, Team]:
    """Every contender: how to start it."""

    def ours(threads: int, seed: int) -> Worker:
        here = [sys.executable, "-m", "benchmarks.lstm_torch", "ours", path]
        return Worker([*here, "--threads", str(threads), "--seed", str(seed)])

    def recipe() -> list[Worker]:
        here = [sys.executable, "-m", "benchmarks.lstm_torch", "recipe", path]
        return [Worker([*here, "--threads", str(threads)])]

    def keras(backend: str) -> list[Worker]:
        command = [venv(backend), "-m", "benchmarks.lstm_keras", path, "--threads", str(threads)]
        return [Worker(command, KERAS_BACKEND=backend, TF_CPP_MIN_LOG_LEVEL="3")]

    return {
        OURS: lambda: [ours(threads, 1)],
        "ours, two seeds side by side": lambda: [ours(1, 1), ours(1, 2)],
        "PyTorch, the usual recipe": recipe,
        f"{pinned('jax', 'keras')}, {pinned('jax', 'jax')}": lambda: keras("jax"),
        f"{pinned('tensorflow', 'keras')}, {pinned('tensorflow', 'tensorflow-cpu')}": (
            lambda: keras("tensorflow")
        ),
    }


def take_turn(workers: list[Worker], **order: float) -> list[Turn]:
    """Let a contender's processes work side by side; the answer of each."""
    for worker in workers:
        worker.tell(**order)
    return [worker.answer() for worker in workers]


def start(contenders: dict[str, Team]) -> tuple[dict[str, list[Worker]], list[str]]:
    """Start them and let each compile what it must; the processes, and why others have none."""
    started: dict[str, list[Worker]] = {}
    missing = []
    for name, begin in contenders.items():
        workers: list[Worker] = []
        try:
            workers = begin()
            take_turn(workers, seconds=0.5)
            started[name] = workers
        except MissingError as error:
            for worker in workers:
                worker.end()
            missing.append(f"{name}: left out, {error}")
            say(missing[-1])
    return started, missing


def speed(workers: list[Worker], seconds: float) -> float:
    """Words of text a second, of all processes together."""
    turns = take_turn(workers, seconds=seconds)
    return sum(turn["tokens"] / turn["seconds"] for turn in turns)


def peak(dtype: torch.dtype, seconds: float) -> float:
    """Floating-point operations a second of large matrix products, multiplications and sums."""
    A, B = (torch.randn(PRODUCT, PRODUCT).to(dtype) for _ in range(2))
    warm = seconds_of(lambda: A @ B)
    times = max(1, round(seconds / warm))
    return 2 * PRODUCT**3 * times / seconds_of(lambda: [A @ B for _ in range(times)])


def work(data: Data) -> int:
    """Floating-point operations a word in the matrix products of an LSTM.

    Four gates of `hidden` units each see the embedding and the last state; to go back along a
    product takes two of its size.
    """
    return 3 * 2 * 4 * data.hidden * (data.embedding_dim + data.hidden)


def arrival(turns: list[Turn], target: float) -> float:
    """Seconds until all processes had reached the target; NEVER if one has not."""
    return max(
        seconds if accuracy >= target else NEVER
        for seconds, accuracy in (turn["curve"][-1] for turn in turns)
    )


def speed_rows(
    speeds: dict[str, list[float]], peaks: dict[str, list[float]], operations: int
) -> list[list[str]]:
    """A row a contender: words a second, against ours, and shares of the peaks."""
    best = {name: statistics.median(rates) for name, rates in peaks.items()}
    rows = []
    for name, rates in speeds.items():
        median = statistics.median(rates)
        shares = [f"{median * operations / flops:.0%}" for flops in best.values()]
        against = f"{ratio(rates, speeds[OURS]):.2f} ×"
        rows.append([name, f"{median:,.0f}", against, *shares])
    return rows


def race_rows(races: dict[str, list[Turn]], target: float) -> list[list[str]]:
    """A row a contender: seconds until it arrived, against ours, and where it was at the end."""
    ours = arrival(races[OURS], target)
    rows = []
    for name, turns in races.items():
        seconds = arrival(turns, target)
        spent, accuracy = max(turns[0]["curve"][-1:]), min(t["curve"][-1][1] for t in turns)
        arrived = f"{seconds:.0f} s" if seconds < NEVER else f"not within {spent[0]:.0f} s"
        against = f"{seconds / ours:.1f} ×" if seconds < NEVER > ours else ""
        rows.append([name, arrived, against, f"{accuracy:.1%}"])
    return rows


def main() -> None:
    """Measure, print and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of a turn")
    parser.add_argument("--target", type=float, default=0.85, help="accuracy of the race")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds of the race")
    parser.add_argument("--quick", action="store_true", help="only see whether all runs")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--reviews", type=Path, default=VOCABULARY)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/lstm.md"))
    args = parser.parse_args()
    sizes = HIDDEN
    if args.quick:
        args.rounds, args.seconds, args.target, args.limit, sizes = 1, 0.5, 0.55, 2.0, HIDDEN[:1]

    threads = use_processors()
    torch.set_num_threads(threads)
    settings = params.load(args.params, "imdb", Imdb)
    reviews = load(args.reviews)
    products = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    lines = [
        "# The LSTM, timed",
        "",
        f"Training on the labelled reviews ({reviews.data}), the same for all: embeddings of"
        f" {settings.embedding_dim}, batches of {settings.lstm.batch}, windows of"
        f" {settings.lstm.window} words, {threads} threads. What differs, and what is counted,"
        " stands at the head of [lstm.py](lstm.py). Made by `python -m benchmarks.lstm`.",
        machine("torch"),
        "",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for hidden in sizes:
            data = data_of(reviews, settings, hidden)
            if args.quick:
                data = replace(data, train=data.train[::20], held_out=data.held_out[::20])
            save(data, path := Path(folder) / f"{hidden}.npz")
            started, missing = start(teams(path, threads))
            with ended([worker for workers in started.values() for worker in workers]):
                turns = take_turns(
                    {
                        name: lambda workers=workers: speed(workers, args.seconds)
                        for name, workers in started.items()
                    }
                    | {
                        name: lambda dtype=dtype: peak(dtype, args.seconds / 4)
                        for name, dtype in products.items()
                    },
                    args.rounds,
                )
                peaks = {name: turns.pop(name) for name in products}
                tops = [f"{statistics.median(p) / 1e9:,.0f} in {n}" for n, p in peaks.items()]
                lines += [
                    f"### Speed, {settings.embedding_dim} → {hidden}",
                    "",
                    f"Medians of {args.rounds} rounds; {WITHIN}. PyTorch's matrix products of"
                    f" {PRODUCT} × {PRODUCT} made, in GFLOP/s: {', '.join(tops)}.",
                    "",
                    *table(
                        [
                            "contender",
                            "words of text a second",
                            "against ours",
                            *(f"share of the {name} peak" for name in peaks),
                        ],
                        [*speed_rows(turns, peaks, work(data)), *([line] for line in missing)],
                    ),
                ]
                if hidden != sizes[0]:
                    continue
                order = {"target": args.target, "limit": args.limit, "checks": 4, "epochs": 6}
                races = {name: take_turn(workers, **order) for name, workers in started.items()}
                lines += [
                    f"### Seconds to {args.target:.1%} of held-out reviews,"
                    f" {settings.embedding_dim} → {hidden}",
                    "",
                    "From random weights, looked at four times an epoch, up to six epochs;"
                    f" {len(data.train):,} reviews to train on, {len(data.held_out):,} held out,"
                    " of other films. One race.",
                    "",
                    *table(
                        ["contender", "seconds of training", "against ours", "accuracy then"],
                        race_rows(races, args.target),
                    ),
                ]
    write(args.out, lines)


if __name__ == "__main__":
    run(main)
