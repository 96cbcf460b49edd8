"""Measure how time and memory grow with the number of reviews: 1, 4 and 16 times as many.

    python -m benchmarks.growth
    python -m benchmarks.growth --quick    a look whether all runs, on a fiftieth of the reviews

The reviews are the real ones, repeated: texts grow, the number of different words does not. What is
run is the pipeline's own commands, in processes of their own:

- tokenize and vocabulary, whole.
- mean: the training of one network, one epoch on all labelled training reviews, one thread.
- lstm: 40 steps of the training of one network on the same reviews, one thread, their time scaled
  to an epoch; the memory is that of these steps. Nothing is pretrained, no review without a label
  learned from.

Time is from start to end of a command, imports included, but for the lstm, where it is that of the
steps. Memory is that of all its processes together, a page that they share counted once, a page of
a file read through the memory (`ids.npy`) counted as long as it is there, though the system may
take it back. Each is run once: what is asked is the shape. To download and unpack is left out.
Writes benchmarks/growth.md and benchmarks/growth.png.
"""

import argparse
import json
import sys
import tempfile
import time
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml

from benchmarks.common import (
    REVIEWS,
    Run,
    machine,
    run_stage,
    table,
    use_processors,
    watched,
    write,
)
from stages.common import params
from stages.common.errors import run
from stages.common.progress import say
from stages.imdb.device import deterministic, keep_memory
from stages.imdb.models import LSTMClassifier
from stages.imdb.params import Imdb
from stages.imdb.reviews import load
from stages.imdb.training import adversarial, begin, train

TIMES = (1, 4, 16)
STEPS = 40  # of the lstm that are timed
WARM_UP = 5  # steps before
FEWER = 50  # in a quick run only one review in so many
GROUP = 5_000  # reviews that are written at a time, as the download stage does

Runs = dict[str, dict[int, Run]]  # by stage and by how many times the reviews


def repeat(table: pa.Table, times: int, path: Path) -> None:
    """Write a table so many times, without holding it so many times."""
    with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
        for _ in range(times):
            writer.write_table(table, row_group_size=GROUP)


def parameters(source: Path, path: Path) -> None:
    """Write the parameters, but for one network, one epoch, and nothing held out."""
    settings = yaml.safe_load(source.read_text("utf-8"))
    settings["imdb"] |= {"seeds": [1], "validation": 0.0}
    settings["imdb"]["mean"]["epochs"] = settings["imdb"]["lstm"]["epochs"] = 1
    path.write_text(yaml.safe_dump(settings), "utf-8")


def measure(reviews: Path, folder: Path) -> dict[str, Run]:
    """Run each stage on a file of reviews; `folder` holds the parameters."""
    settings, tokens, vocabulary = (folder / n for n in ("params.yaml", "tokens", "vocabulary"))
    written = {n: folder / n for n in ("live", "checkpoints", "out")}
    runs = {
        "tokenize": run_stage("tokenize", reviews=reviews, tokens=tokens),
        "vocabulary": run_stage(
            "vocabulary",
            params=settings,
            tokens=tokens,
            vocabulary=vocabulary,
            metrics=folder / "metrics.json",
        ),
        "mean, an epoch": run_stage(
            "train", "mean", params=settings, reviews=vocabulary, **written
        ),
    }
    over = ["--params", settings, "--reviews", vocabulary]
    lstm = watched([sys.executable, "-m", "benchmarks.growth", *over, "--lstm"])
    runs["lstm, an epoch"] = Run(json.loads(lstm.output)["seconds"], lstm.memory, "")
    return runs


def lstm_epoch(folder: Path, settings: Imdb) -> float:
    """Seconds of an epoch of the LSTM, from some of its steps; on one thread."""
    torch.set_num_threads(1)
    keep_memory()
    deterministic(1)
    reviews = load(folder)
    places = reviews.where("train")
    network = LSTMClassifier(len(reviews.words), settings.embedding_dim, settings.lstm.hidden)
    targets = torch.tensor(reviews.labels, dtype=torch.float32)
    objective = partial(adversarial, network, 0.0)
    steps = train(begin(network, 1), objective, reviews, places, targets, settings.lstm)
    for _ in islice(steps, WARM_UP):
        pass
    start = time.perf_counter()
    seen = sum(step.reviews for step in islice(steps, STEPS))
    return (time.perf_counter() - start) * len(places) / seen


def slope(values: dict[int, float]) -> float:
    """The exponent of growth between the last two: 1 when twice the reviews take twice as much."""
    (few, less), (many, more) = sorted(values.items())[-2:]
    return float(np.log(more / less) / np.log(many / few))


def rows(runs: Runs) -> list[list[str]]:
    """A row a stage and quantity."""
    told = []
    for stage, by_times in runs.items():
        seconds = {times: done.seconds for times, done in by_times.items()}
        memory = {times: done.memory / 2**20 for times, done in by_times.items()}
        for what, unit, values in (("time", "s", seconds), ("peak memory", "MiB", memory)):
            digits = 1 if unit == "s" else 0
            cells = [f"{value:,.{digits}f} {unit}" for value in values.values()]
            told.append([f"{stage}: {what}", *cells, f"{slope(values):.2f}"])
    return told


def draw(runs: Runs, reviews: int, path: Path) -> None:
    """Time and memory over the number of reviews, logarithmic both."""
    import matplotlib.pyplot as plt

    from stages.common import figures

    figure, axes = plt.subplots(1, 2)
    for stage, by_times in runs.items():
        counts = [reviews * times for times in by_times]
        axes[0].loglog(counts, [done.seconds for done in by_times.values()], "o-", label=stage)
        memory = [done.memory / 2**20 for done in by_times.values()]
        axes[1].loglog(counts, memory, "o-", label=stage)
    for axis, what in zip(axes, ("time (s)", "peak memory (MiB)"), strict=True):
        axis.set(xlabel="reviews", title=what)
        axis.minorticks_off()
    axes[1].set_yticks(ticks := [500, 1_000, 2_000, 4_000], [f"{tick:,}" for tick in ticks])
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figures.save(figure, path)


def main() -> None:
    """Measure, print and write the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="only see whether all runs")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--reviews", type=Path, default=REVIEWS, help="a Parquet file")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/growth.md"))
    parser.add_argument("--lstm", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.lstm:  # as a process of its own, `reviews` being a folder of tokens
        settings = params.load(args.params, "imdb", Imdb)
        print(json.dumps({"seconds": lstm_epoch(args.reviews, settings)}))
        return

    processors = use_processors()
    whole: Any = pq.read_table(args.reviews)
    if args.quick:
        whole = whole.take(np.arange(0, len(whole), FEWER))
    runs: Runs = {}
    for times in TIMES:
        say(f"{len(whole) * times:,} reviews")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            parameters(args.params, folder / "params.yaml")
            repeat(whole, times, folder / "reviews.parquet")
            for stage, done in measure(folder / "reviews.parquet", folder).items():
                runs.setdefault(stage, {})[times] = done
    draw(runs, len(whole), args.out.with_suffix(".png"))
    lines = [
        "# How time and memory grow",
        "",
        f"{len(whole):,} reviews, and the same repeated; {processors} processors, one for the"
        " networks. The last column is the exponent of the growth in the last step: 1 is"
        " proportional, 0 none. What is measured stands at the head of [growth.py](growth.py)."
        " Made by `python -m benchmarks.growth`.",
        machine("torch"),
        "",
        *table(
            ["", *(f"{len(whole) * times:,} reviews" for times in TIMES), "exponent"], rows(runs)
        ),
        f"![Time and peak memory over the number of reviews]({args.out.stem}.png)",
        "",
    ]
    write(args.out, lines)


if __name__ == "__main__":
    run(main)
