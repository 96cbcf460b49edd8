"""Measure how time and memory grow with the number of reviews: 1, 3 and 10 times as many.

    python -m benchmarks.growth
    python -m benchmarks.growth --quick    a look whether all runs, on a fiftieth of the reviews
    python -m benchmarks.growth --data     without the trainings

The reviews are the real ones, repeated: texts grow, the number of different words does not. What is
run is the pipeline's own commands, in processes of their own:

- download, whole, but of a table of one's own: a CSV file of the reviews with their splits.
- tokenize and vocabulary, whole.
- linear, whole: one that learns from the labelled training reviews and rates all others.
- mean: the training of one network, one epoch on all labelled training reviews, one thread.
- lstm: 40 steps of the training of one network on the same reviews, one thread, their time scaled
  to an epoch; the memory is that of these steps. Nothing is pretrained, no review without a label
  learned from.

Time is from start to end of a command, imports included, but for the lstm, where it is that of the
steps. Memory is that of all its processes together, a page that they share counted once, a page of
a file read through the memory (`ids.npy`) counted as long as it is there, though the system may
take it back. Each is run once: what is asked is the shape.

What a hundred million reviews would take is no measurement: it is the last of the sizes, and for
each further review what it took more than the one before, by review. Writes benchmarks/growth.md
and benchmarks/growth.png.
"""

import argparse
import json
import sys
import tempfile
import time
import tracemalloc
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml
from pyarrow import csv

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
from stages.imdb.training import adversarial, begin, targets_of, train

TIMES = (1, 3, 10)
DATA = ("download", "tokenize", "vocabulary")
OWN = "table of one's own (CSV)"
LIMIT = 1 << 30  # bytes that none of these may take
MANY = 100_000_000  # reviews, on paper
ENOUGH = 16 << 30  # bytes of a usual computer's memory
NOISE = 1 << 20  # bytes for as many reviews again: less is no growth
PER_REVIEW = 60  # bytes: those of `Reviews`, and of the orders and targets drawn over them
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
    """Write the parameters, but for one network, one epoch, nothing held out and one's own table.

    The table is to be `own.csv` beside them.
    """
    settings = yaml.safe_load(source.read_text("utf-8"))
    settings["imdb"] |= {"seeds": [1], "validation": 0.0, "source": str(path.parent / "own.csv")}
    settings["imdb"]["mean"]["epochs"] = settings["imdb"]["lstm"]["epochs"] = 1
    path.write_text(yaml.safe_dump(settings), "utf-8")


def own_table(reviews: Path, path: Path) -> None:
    """Write a file of reviews as a table of one's own: a CSV file with text, label and split."""
    schema = pa.schema([(name, pa.string()) for name in ("text", "label", "split")])
    with csv.CSVWriter(path, schema) as writer:
        for batch in pq.ParquetFile(reviews).iter_batches(GROUP, columns=schema.names):
            label = batch["label"].cast(pa.string()).to_pylist()
            known = pa.array(["" if each == "-1" else each for each in label])
            columns = [batch["text"], known, batch["split"]]
            writer.write_batch(pa.record_batch(columns, schema))


def measure(reviews: Path, folder: Path, trainings: bool) -> dict[str, Run]:
    """Run each stage on a file of reviews; `folder` holds the parameters and gets what they write.

    `trainings`: also those.
    """
    settings, tokens, vocabulary = (folder / n for n in ("params.yaml", "tokens", "vocabulary"))
    written = {n: folder / n for n in ("live", "checkpoints", "out")}
    own_table(reviews, folder / "own.csv")
    runs = {
        "download": run_stage(
            "download",
            params=settings,
            archive=folder / "none",
            reviews=folder / "own.parquet",
            metrics=folder / "data.json",
        ),
        "tokenize": run_stage("tokenize", reviews=reviews, tokens=tokens),
        "vocabulary": run_stage(
            "vocabulary",
            params=settings,
            tokens=tokens,
            vocabulary=vocabulary,
            metrics=folder / "metrics.json",
        ),
    }
    if not trainings:
        return runs
    ratings = {n: folder / n for n in ("predictions", "unlabelled")}
    runs["linear"] = run_stage("baseline", params=settings, reviews=reviews, **ratings)
    runs["mean, an epoch"] = run_stage(
        "train", "mean", params=settings, reviews=vocabulary, **written
    )
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
    targets = targets_of(reviews)
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


def extrapolated(values: dict[int, float], many: float) -> float:
    """What so many times the reviews would take, each further one as much as the last ones."""
    (few, less), (more, most) = sorted(values.items())[-2:]
    return most + (most - less) / (more - few) * (many - more)


def sizes(folder: Path) -> dict[str, int]:
    """Bytes on the disk of what the data stages read and write."""
    files = {OWN: "own.csv", "`reviews.parquet`": "own.parquet"}
    taken = {label: (folder / name).stat().st_size for label, name in files.items()}
    for name in ("tokens", "vocabulary"):
        taken[f"`{name}`"] = sum(path.stat().st_size for path in (folder / name).iterdir())
    return taken


@dataclass(frozen=True)
class Words:
    """What the words of the reviews themselves, not repeated, tell of those of more reviews.

    Attributes:
        reviews: how many there are.
        distinct: words.
        exponent: of their growth with the number of tokens (Heaps' law), from a quarter to all.
        memory: bytes of a word and its number in a dictionary.
    """

    reviews: int
    distinct: int
    exponent: float
    memory: float


def words_of(folder: Path) -> Words:
    """Look at a folder of tokens, whose words are numbered as they first occur."""
    tokens = load(folder)
    quarter = int(tokens.ids[: len(tokens.ids) // 4].max()) + 1
    tracemalloc.start()
    numbers = {str(word.encode(), "utf-8"): i for i, word in enumerate(tokens.words)}
    memory = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    exponent = float(np.log(len(numbers) / quarter) / np.log(4))
    count = len(numbers)
    return Words(len(tokens.index), count, exponent, memory / count)


def paper(runs: Runs, disk: dict[str, int], words: Words) -> list[str]:
    """The lines on what MANY reviews would take; `disk` is that of the most that were measured."""
    many, most = MANY / words.reviews, max(TIMES)
    told, held = [], {}
    for stage, by_times in runs.items():
        memory = {times: float(done.memory) for times, done in by_times.items()}
        hours = extrapolated({t: done.seconds for t, done in by_times.items()}, many) / 3_600
        last = memory[most]
        step = extrapolated(memory, most + 1) - last
        row = [stage, f"{hours:,.1f} h", f"{extrapolated(memory, many) / 2**30:,.1f} GiB"]
        if step > NOISE:
            held[stage] = (most + (ENOUGH - last) / step) * words.reviews
            row.append(f"{held[stage] / 1e6:,.1f} million")
        told.append(row)
    distinct = words.distinct * many**words.exponent
    first = min(held, key=lambda stage: held[stage], default="none")
    space = [
        [name, f"{size / most / words.reviews:,.0f}", f"{size / most * many / 2**30:,.0f} GiB"]
        for name, size in disk.items()
    ]
    return [
        "## On paper",
        "",
        f"{MANY:,} reviews would take, if each further review took as much as the last ones did:",
        "",
        *table(["", "time", "peak memory", f"reviews in {ENOUGH >> 30} GiB"], told),
        *table(["on the disk", "bytes a review", f"{MANY:,} reviews"], space),
        f"Of these stages the first to want more than {ENOUGH >> 30} GiB is: {first}. (The last"
        " column is empty where the memory hardly grows.) Not in the table, since repeated reviews"
        " bring no new words:",
        "",
        f"- The distinct words: {words.distinct:,} here, growing as the number of tokens to the"
        f" power of {words.exponent:.2f} from a quarter of the reviews to all. That would make"
        f" {distinct / 1e6:,.1f} million, of {words.memory:.0f} bytes each in the dictionary of"
        f" tokenize: {distinct * words.memory / 2**30:,.1f} GiB. The ids are int32: they end at"
        " 2,147 million words.",
        f"- What a training has of each review: offsets, label, film, split, target, some"
        f" {PER_REVIEW} bytes: {PER_REVIEW * MANY / 2**30:,.1f} GiB in each process.",
        "",
    ]


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
    axes[1].set_yticks(
        ticks := [250, 500, 1_000, 2_000, 4_000, 8_000], [f"{tick:,}" for tick in ticks]
    )
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figures.save(figure, path)


def main() -> None:
    """Measure, print and write the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="only see whether all runs")
    parser.add_argument("--data", action="store_true", help="without the trainings")
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
            reviews = folder / "reviews.parquet"
            for stage, done in measure(reviews, folder, not args.data).items():
                runs.setdefault(stage, {})[times] = done
                say(f"  {stage}: {done.seconds:,.1f} s, {done.memory / 2**20:,.0f} MiB")
            if times == min(TIMES):
                words = words_of(folder / "tokens")
            disk = sizes(folder)
    draw(runs, len(whole), args.out.with_suffix(".png"))
    most = max(runs[stage][max(TIMES)].memory for stage in DATA)
    below = "less" if most < LIMIT else "MORE"
    lines = [
        "# How time and memory grow",
        "",
        f"{len(whole):,} reviews, and the same repeated; {processors} processors, one for the"
        " networks. The last column is the exponent of the growth in the last step: 1 is"
        " proportional, 0 none. What is measured stands at the head of [growth.py](growth.py)."
        f" Made by `python -m benchmarks.growth{' --data' if args.data else ''}`.",
        machine("torch"),
        "",
        *table(
            ["", *(f"{len(whole) * times:,} reviews" for times in TIMES), "exponent"], rows(runs)
        ),
        f"![Time and peak memory over the number of reviews]({args.out.stem}.png)",
        "",
        f"For {len(whole) * max(TIMES):,} reviews, {disk[OWN] / 2**30:,.2f} GiB as a CSV file,"
        f" {', '.join(DATA)} take {most / 2**20:,.0f} MiB at most, {below} than 1 GiB.",
        "",
        *paper(runs, disk, words),
    ]
    write(args.out, lines)


if __name__ == "__main__":
    run(main)
