"""Time the training of the LSTM next to the usual PyTorch recipe and Keras 3.

    python -m benchmarks.lstm    about 20 minutes on two processors

Writes benchmarks/lstm.md. See README.md for what is measured.
"""

import json
import math
import statistics
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks import harness
from benchmarks.harness import pinned_version
from benchmarks.worker import Data, save_data
from stages.common.errors import run_main
from stages.common.params import load_params
from stages.imdb.corpus.corpus import Corpus, group_train_val_split, load_corpus
from stages.imdb.corpus.params import Imdb

OURS, TWO_SEEDS = "ours", "ours, two seeds in parallel"
VAL_FRACTION = 0.1  # of the films
SIZES = ((128, 128), (128, 256))  # embeddings, units; the first is also timed to an accuracy
LARGE_SIZES = (256, 512)  # of `longer` in docs/ablations.md; the others take too long for it
SECONDS = 5.0  # per turn
TARGET, LIMIT = 0.85, 60.0  # accuracy, and seconds after which to give up
MATMUL_SIZE = 2048  # rows and columns of the matrices for the peak
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}

Result = dict[str, float]  # see worker.throughput and worker.time_to_accuracy
Starter = Callable[..., list[Result]]  # runs the processes of a contender with some options


def make_data(corpus: Corpus, params: Imdb, val_fraction: float = VAL_FRACTION) -> Data:
    """Return the labelled training reviews; the sizes are the first of SIZES."""
    train, val = group_train_val_split(corpus.metadata, val_fraction)
    labelled = np.sort(np.concatenate([train, val]))
    return Data(
        ids=np.concatenate([corpus[i] for i in labelled]),
        offsets=np.concatenate([[0], np.cumsum(corpus.lengths[labelled])]),
        labels=corpus.labels[labelled],
        train_indices=np.searchsorted(labelled, train),
        val_indices=np.searchsorted(labelled, val),
        vocab_size=len(corpus.vocab),
        embedding_dim=SIZES[0][0],
        hidden_size=SIZES[0][1],
        batch_size=params.lstm.batch_size,
        max_length=params.lstm.max_length,
    )


def run_contender(python: list[object], threads: int, seeds: int, *options: object) -> list[Result]:
    """Run one process per seed, all at the same time; `python` is the start of the command."""
    commands = [[*python, "--threads", threads, "--seed", i + 1, *options] for i in range(seeds)]
    run = partial(harness.run_monitored, poll_seconds=None)
    with ThreadPoolExecutor(seeds) as executor:
        outputs = [stats.output for stats in executor.map(run, commands)]
    return [json.loads(output.splitlines()[-1]) for output in outputs]


def make_starters(data: Path, threads: int) -> dict[str, Starter]:
    """Return how to run each contender on a file of `save_data`."""

    def run_torch(contender: str, threads: int, seeds: int, *options: object) -> list[Result]:
        python = [sys.executable, "-m", "benchmarks.lstm_torch", contender, data]
        return run_contender(python, threads, seeds, *options)

    def run_keras(backend: str, *options: object) -> list[Result]:
        environment = ["env", f"KERAS_BACKEND={backend}", "TF_CPP_MIN_LOG_LEVEL=3"]
        python = [harness.venv(backend), "-m", "benchmarks.lstm_keras", backend, data]
        return run_contender([*environment, *python], threads, 1, *options)

    starters: dict[str, Starter] = {
        OURS: partial(run_torch, "ours", threads, 1),
        TWO_SEEDS: partial(run_torch, "ours", 1, 2),
        "PyTorch, the usual recipe": partial(run_torch, "recipe", threads, 1),
    }
    for backend, package in (("jax", "jax"), ("tensorflow", "tensorflow-cpu")):
        name = f"{pinned_version(backend, 'keras')}, {pinned_version(backend, package)}"
        starters[name] = partial(run_keras, backend)
    return starters


def words_per_second(start: Starter) -> float:
    """Return the speed of all processes of a contender together."""
    return sum(result["tokens"] / result["seconds"] for result in start("--seconds", SECONDS))


def peak_flops(dtype: torch.dtype, seconds: float, size: int = MATMUL_SIZE) -> float:
    """Return the floating-point operations per second of square matrix products."""
    A, B, out = (torch.randn(size, size).to(dtype) for _ in range(3))
    repeats = max(1, round(seconds / harness.timeit(lambda: torch.mm(A, B, out=out))))
    elapsed = harness.timeit(lambda: [torch.mm(A, B, out=out) for _ in range(repeats)])
    return 2 * size**3 * repeats / elapsed


def flops_per_token(data: Data) -> int:
    """Return the floating-point operations per word in the matrix products of an LSTM.

    Each of the four gates multiplies the embedding and the last state. The backward pass takes two
    products of the same size for each.
    """
    return 3 * 2 * 4 * data.hidden_size * (data.embedding_dim + data.hidden_size)


def time_to_target(results: list[Result], target: float) -> float:
    """Return the seconds until all processes have reached the target; inf if one has not."""
    return max(r["seconds"] if r["accuracy"] >= target else math.inf for r in results)


def speed_rows(
    speeds: dict[str, list[float]], peaks: dict[str, list[float]], flops: int
) -> list[list[str]]:
    """Return one row per contender: words per second, relative to ours, and of each peak."""
    rows = []
    for name, values in speeds.items():
        speed = statistics.median(values)
        fractions = [f"{speed * flops / statistics.median(p):.0%}" for p in peaks.values()]
        relative = f"{harness.median_ratio(values, speeds[OURS]):.2f} ×"
        rows.append([name, f"{speed:,.0f}", relative, *fractions])
    return rows


def race_rows(races: dict[str, list[Result]], target: float) -> list[list[str]]:
    """Return one row per contender: time to the target, relative to ours, final accuracy."""
    ours = time_to_target(races[OURS], target)
    rows = []
    for name, results in races.items():
        seconds = time_to_target(results, target)
        reached = math.isfinite(seconds)
        longest = max(r["seconds"] for r in results)
        time = f"{seconds:.0f} s" if reached else f"not within {longest:.0f} s"
        relative = f"{seconds / ours:.1f} ×" if reached and math.isfinite(ours) else ""
        rows.append([name, time, relative, f"{min(r['accuracy'] for r in results):.1%}"])
    return rows


def measure(data: Data, threads: int, rounds: int) -> list[str]:
    """Return the report on one network."""
    sizes, races = (data.embedding_dim, data.hidden_size), {}
    shape = f"{data.embedding_dim} → {data.hidden_size}"
    with tempfile.TemporaryDirectory() as folder:
        save_data(data, path := Path(folder) / "data.npz")
        starters = make_starters(path, threads)
        if sizes == LARGE_SIZES:
            starters = {name: starters[name] for name in (OURS, TWO_SEEDS)}
        turns: dict[str, Callable[[], float]] = {
            name: partial(words_per_second, start) for name, start in starters.items()
        }
        missing = harness.drop_unavailable(turns)
        peak_turns = {name: partial(peak_flops, dtype, 1.0) for name, dtype in DTYPES.items()}
        speeds = harness.run_interleaved(turns | peak_turns, rounds)
        if sizes == SIZES[0]:
            options = ("--target", TARGET, "--limit", LIMIT)
            races = {name: starters[name](*options) for name in turns}
    peaks = {name: speeds.pop(name) for name in DTYPES}
    gflops = [f"{statistics.median(p) / 1e9:,.0f} in {name}" for name, p in peaks.items()]
    header = ["contender", "words per second", "relative to ours"]
    header += [f"fraction of the {name} peak" for name in peaks]
    rows = speed_rows(speeds, peaks, flops_per_token(data))
    lines = [
        f"### Speed, {shape}",
        "",
        f"Medians of {rounds} rounds; {harness.RATIO_NOTE}. The peak is that of PyTorch's products"
        f" of {MATMUL_SIZE} × {MATMUL_SIZE} matrices, in GFLOP/s: {', '.join(gflops)}.",
        "",
        *harness.markdown_table(header, [*rows, *missing]),
    ]
    if races:
        header = ["contender", "seconds of training", "relative to ours", "final accuracy"]
        lines += [
            f"### Time to {TARGET:.1%} validation accuracy, {shape}",
            "",
            "From random weights, validated four times per epoch, at most six epochs;"
            f" {len(data.train_indices):,} training reviews, {len(data.val_indices):,} validation"
            " reviews of other films. Measured once.",
            "",
            *harness.markdown_table(header, race_rows(races, TARGET)),
        ]
    return lines


def main() -> None:
    args = harness.make_parser("lstm", rounds=3).parse_args()
    threads = harness.limit_processors()
    torch.set_num_threads(threads)
    corpus = load_corpus(harness.CORPUS)
    data = make_data(corpus, load_params(harness.PARAMS, "imdb", Imdb))
    lines: list[str] = []
    for embedding_dim, hidden_size in (*SIZES, LARGE_SIZES):
        sized = replace(data, embedding_dim=embedding_dim, hidden_size=hidden_size)
        lines += measure(sized, threads, args.rounds)
    summary = (
        f"Training on the labelled reviews ({corpus.data_name}), the same for all: batches of"
        f" {data.batch_size}, at most {data.max_length} words per review, {threads} threads. The"
        " headings show the size of the embeddings → the units of the LSTM."
        f" {harness.FAIRNESS_NOTE}"
    )
    harness.write_report(args.out, "The LSTM, timed", summary, lines, "torch")


if __name__ == "__main__":
    run_main(main)
