"""Time the training of the mean of embeddings beside fastText, which is the same model.

    python -m benchmarks.mean
    python -m benchmarks.mean --quick    a look whether all runs

Both average the embeddings of a review's words, of the same dimension, and rate the average.
fastText has as many threads as it may. Ours has one, as in the pipeline, which trains other seeds
on the other processors, or as many as fastText. Both read the same words: those of the vocabulary
of the pipeline, every other one being <unk>. Some films of the training reviews are held out; no
test review has a part in this.

Time is told to a given accuracy on the held-out reviews. Both lower their learning rate to zero
over a training, so that a training of two epochs is not the half of one of four: each is trained
whole for 1, 2, 3, … epochs, at each of a few learning rates, ours with batches of two sizes too
(fastText takes a step a review), and what counts is the fastest that arrives. Then the two take
turns, several rounds; what is told are medians over the rounds, of the ratios too.

fastText takes the lines in their order, so they are shuffled for it. Its time includes its reading
of the text file and counting of words, which it cannot be asked without, ours only the training;
its speed without reading is estimated from trainings of one epoch more. Ours leaves no
words out (`word_dropout`), as fastText does not: that pays in longer trainings only. fastText's
threads write over each other, so that no two of its runs are the same. Writes benchmarks/mean.md.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.common import (
    VOCABULARY,
    WITHIN,
    MissingError,
    machine,
    pinned,
    ratio,
    table,
    take_turns,
    use_processors,
    venv,
    watched,
    write,
)
from stages.common import params
from stages.common.errors import run
from stages.common.progress import say
from stages.imdb.device import deterministic, keep_memory
from stages.imdb.fit import validate
from stages.imdb.models import MeanClassifier
from stages.imdb.params import Imdb
from stages.imdb.reviews import Indices, Reviews, load, split_by_film
from stages.imdb.train import phases
from stages.imdb.training import begin, targets_of, train

HELD_OUT = 0.2  # of the films
OURS = [(64, 0.003), (64, 0.02), (128, 0.03)]  # batch, learning rate; the first is the pipeline's
THEIR_RATES = [0.1, 0.3, 0.5, 0.7, 1.0, 1.4]  # the first is fastText's default; as many as ours
MOST_EPOCHS = 12


class Trained(NamedTuple):
    """A whole training: how long it took, and the share of held-out reviews rated right."""

    seconds: float
    accuracy: float


Train = Callable[[int], Trained]  # for so many epochs


def ours(
    reviews: Reviews,
    places: Indices,
    held_out: Indices,
    settings: Imdb,
    batch: int,
    rate: float,
    threads: int,
    epochs: int,
) -> Trained:
    """The code of the pipeline, in this process."""
    torch.set_num_threads(threads)
    changes = {"epochs": epochs, "batch": batch, "learning_rate": rate, "word_dropout": 0.0}
    mean = settings.mean.model_copy(update=changes)
    start = time.perf_counter()
    deterministic(1)
    network = MeanClassifier(
        len(reviews.words), settings.embedding_dim, mean.buckets if mean.ngrams == 2 else 0
    )
    [(own, objective)] = phases(network, settings.model_copy(update={"mean": mean}))
    targets = targets_of(reviews)
    for _ in train(begin(network, 1), objective, reviews, places, targets, own):
        pass
    seconds = time.perf_counter() - start
    return Trained(seconds, validate(network, reviews, held_out)[1])


def write_text(reviews: Reviews, places: Indices, path: Path) -> None:
    """What fastText reads: a review a line, its label first, then its words."""
    labels = reviews.labels
    with path.open("w", encoding="utf-8") as file:
        for i in places:
            words = " ".join(reviews.words[word] for word in reviews[i])
            file.write(f"__label__{labels[i]} {words}\n")


def fast_text(folder: Path, dim: int, threads: int, rate: float, epochs: int) -> Trained:
    """fastText in its own environment."""
    script = Path(__file__).with_name("mean_fasttext.py")
    options = {"--dim": dim, "--threads": threads, "--rate": rate, "--epochs": epochs}
    done = watched(
        [venv("fasttext"), script, folder / "train.txt", folder / "held_out.txt"]
        + [str(part) for option in options.items() for part in option]
    )
    return Trained(**json.loads(done.output))


def arrival(train: Train, target: float, most: int) -> tuple[int, Trained] | None:
    """The fewest epochs after which a whole training reaches the target, if at most so many do."""
    for epochs in range(1, most + 1):
        trained = train(epochs)
        say(f"{epochs} epochs: {trained.accuracy:.2%} in {trained.seconds:.1f} s")
        if trained.accuracy >= target:
            return epochs, trained
    return None


def fastest(contenders: dict[str, Train], target: float, most: int) -> tuple[str, int] | None:
    """Which of them arrives in the least time, and in how many epochs."""
    arrived = {}
    for name, train_one in contenders.items():
        if found := arrival(train_one, target, most):
            arrived[name] = found
    if not arrived:
        return None
    best = min(arrived, key=lambda name: arrived[name][1].seconds)
    return best, arrived[best][0]


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--target", type=float, default=0.875)
    parser.add_argument("--quick", action="store_true", help="only see whether all runs")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--reviews", type=Path, default=VOCABULARY)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/mean.md"))
    args = parser.parse_args()

    threads = use_processors()
    keep_memory()
    settings = params.load(args.params, "imdb", Imdb)
    reviews = load(args.reviews)
    places, held_out = split_by_film(reviews.index, HELD_OUT)
    most = MOST_EPOCHS
    if args.quick:
        args.rounds, args.target, most = 1, 0.0, 1
        places = places[:: len(places) // 1_000]
    words = int(reviews.lengths[places].sum())
    dim = settings.embedding_dim

    with tempfile.TemporaryDirectory() as folder:
        # fastText learns from the lines in their order, epoch for epoch: it must be a random one.
        shuffled = np.random.default_rng(1).permutation(places)
        write_text(reviews, shuffled, Path(folder) / "train.txt")
        write_text(reviews, held_out, Path(folder) / "held_out.txt")
        mine: dict[str, Train] = {
            f"ours, batch {batch}, learning rate {rate}, threads {own}": partial(
                ours, reviews, places, held_out, settings, batch, rate, own
            )
            for batch, rate in OURS
            for own in sorted({1, threads})
        }
        theirs: dict[str, Train] = {
            f"{pinned('fasttext', 'fasttext-wheel')}, learning rate {rate}": partial(
                fast_text, Path(folder), dim, threads, rate
            )
            for rate in THEIR_RATES
        }
        trains, epochs, missing = mine | theirs, dict[str, int](), ""
        for contenders in (mine, theirs):
            try:
                if found := fastest(contenders, args.target, most):
                    epochs[found[0]] = found[1]
                else:
                    missing = f"{next(iter(contenders))} and others: not within {most} epochs"
            except MissingError as error:
                missing = f"{pinned('fasttext', 'fasttext-wheel')}: left out, {error}"
        turns = take_turns(
            {name: partial(trains[name], number) for name, number in epochs.items()}
            | {f"{name}, one more": partial(trains[name], n + 1) for name, n in epochs.items()},
            args.rounds,
        )
    rows = []
    for name, number in epochs.items():
        seconds = [trained.seconds for trained in turns[name]]
        more = [trained.seconds for trained in turns[f"{name}, one more"]]
        # What a training takes beside its epochs drops out of the difference.
        epoch = statistics.median(more) - statistics.median(seconds)
        against = [
            f"{ratio(seconds, [t.seconds for t in turns[own]]):.2f} ×"
            for own in mine
            if own in epochs
        ]
        rows.append(
            [
                name,
                f"{statistics.median(seconds):.2f} s",
                *(against or [""]),
                str(number),
                f"{statistics.median(t.accuracy for t in turns[name]):.2%}",
                f"{words / epoch:,.0f}",
            ]
        )
    lines = [
        "# The mean of embeddings, timed",
        "",
        f"Whole trainings on {len(places):,} labelled reviews ({reviews.data}), {words:,} words,"
        f" to {args.target:.1%} of {len(held_out):,} held-out reviews of other films; {dim}"
        f" dimensions; fastText on {threads} threads; medians of {args.rounds} rounds"
        f" in which the contenders take turns; {WITHIN}. What is fair and what is not stands at"
        " the head of [mean.py](mean.py). Made by `python -m benchmarks.mean`.",
        machine("torch"),
        "",
        *table(
            [
                "contender",
                "time",
                "against ours",
                "epochs",
                "accuracy",
                "words a second, without reading",
            ],
            [*rows, *([[missing]] if missing else [])],
        ),
    ]
    write(args.out, lines)


if __name__ == "__main__":
    run(main)
