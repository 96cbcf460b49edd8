"""Time the training of the mean of embeddings next to fastText, which is the same model.

    python -m benchmarks.mean

Writes benchmarks/mean.md. See README.md for what is measured.
"""

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

from benchmarks import harness
from benchmarks.loop import train_steps
from stages.common.errors import run_main
from stages.common.params import load_params
from stages.common.progress import log
from stages.imdb.corpus.corpus import Corpus, Indices, group_train_val_split, load_corpus
from stages.imdb.corpus.params import Imdb
from stages.imdb.engine.cpu_tuning import tune_cpu
from stages.imdb.models.classifiers import MeanEmbeddingClassifier
from stages.imdb.models.device import seed_everything
from stages.imdb.training.trainer import evaluate

VAL_FRACTION = 0.2  # of the films
GRID = [(64, 0.003), (64, 0.02), (128, 0.03)]  # batch size, learning rate; the pipeline's first
FASTTEXT_LRS = [0.1, 0.3, 0.5, 0.7, 1.0, 1.4]  # fastText's default first
TARGET = 0.875  # validation accuracy
MAX_EPOCHS = 12


class Training(NamedTuple):
    """The seconds that a whole training took, and the validation accuracy."""

    seconds: float
    accuracy: float


Train = Callable[[int], Training]  # trains for a number of epochs


def train_ours(
    corpus: Corpus,
    indices: tuple[Indices, Indices],
    params: Imdb,
    grid_point: tuple[int, float],
    threads: int,
    epochs: int,
) -> Training:
    """Train with the code of the pipeline in this process; `indices` are train and validation."""
    torch.set_num_threads(threads)
    batch_size, lr = grid_point
    changes = {"batch_size": batch_size, "learning_rate": lr, "epochs": epochs, "word_dropout": 0.0}
    mean = params.mean.model_copy(update=changes)
    start = time.perf_counter()
    seed_everything(1)
    network = MeanEmbeddingClassifier(len(corpus.vocab), params.embedding_dim, mean.bigram_buckets)
    for _ in train_steps(network, corpus, indices[0], mean, seed=1):
        pass
    seconds = time.perf_counter() - start
    return Training(seconds, evaluate(network, corpus, indices[1])[1])


def write_fasttext(corpus: Corpus, indices: Indices, path: Path) -> None:
    """Write reviews as fastText reads them: one per line, the label first."""
    labels = corpus.labels
    with path.open("w", encoding="utf-8") as file:
        for i in indices:
            words = " ".join(corpus.vocab[word] for word in corpus[i])
            file.write(f"__label__{labels[i]} {words}\n")


def train_fasttext(folder: Path, dim: int, threads: int, lr: float, epochs: int) -> Training:
    """Train fastText in its own environment."""
    options = {"--dim": dim, "--threads": threads, "--lr": lr, "--epochs": epochs}
    stats = harness.run_monitored(
        [harness.venv("fasttext"), harness.BENCHMARKS / "mean_fasttext.py"]
        + [folder / "train.txt", folder / "validation.txt"]
        + [part for option in options.items() for part in option],
        poll_seconds=None,
    )
    return Training(**json.loads(stats.output))


def fastest(
    contenders: dict[str, Train], target: float = TARGET, max_epochs: int = MAX_EPOCHS
) -> tuple[str, int] | None:
    """Return which contender reaches the target in the least time, and its number of epochs.

    Each contender is trained from scratch for 1, 2, 3, … epochs until it reaches the target, in the
    median of three trainings: no two of fastText are the same.
    """
    reached: dict[str, tuple[float, int]] = {}
    for name, train in contenders.items():
        for epochs in range(1, max_epochs + 1):
            trainings = [train(epochs)]
            if trainings[0].accuracy >= target:
                trainings += [train(epochs), train(epochs)]
            seconds, accuracy = map(statistics.median, zip(*trainings, strict=True))
            log(f"{name}, epochs {epochs}: {accuracy:.2%} in {seconds:.1f} s")
            if accuracy >= target:
                reached[name] = seconds, epochs
                break
    if not reached:
        return None
    name = min(reached, key=lambda name: reached[name])
    return name, reached[name][1]


def main() -> None:
    args = harness.make_parser("mean", rounds=5).parse_args()
    threads = harness.limit_processors()
    tune_cpu()
    params = load_params(harness.PARAMS, "imdb", Imdb)
    corpus = load_corpus(harness.CORPUS)
    train, val = group_train_val_split(corpus.metadata, VAL_FRACTION)
    num_words, dim = int(corpus.lengths[train].sum()), params.embedding_dim
    their_name = harness.pinned_version("fasttext", "fasttext-wheel")

    ours: dict[str, Train] = {
        f"ours, batch size {point[0]}, learning rate {point[1]}, threads {n}": partial(
            train_ours, corpus, (train, val), params, point, n
        )
        for point in GRID
        for n in sorted({1, threads})
    }
    epochs: dict[str, int] = {}
    missing = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # fastText reads the lines in their order in every epoch, so they are shuffled.
        write_fasttext(corpus, np.random.default_rng(1).permutation(train), folder / "train.txt")
        write_fasttext(corpus, val, folder / "validation.txt")
        theirs: dict[str, Train] = {
            f"{their_name}, learning rate {lr}": partial(train_fasttext, folder, dim, threads, lr)
            for lr in FASTTEXT_LRS
        }
        for label, contenders in (("ours", ours), (their_name, theirs)):
            try:
                if found := fastest(contenders):
                    epochs |= [found]
                else:
                    missing.append([f"{label}: not within {MAX_EPOCHS} epochs"])
            except harness.UnavailableError as error:
                missing.append([f"{label}: left out, {error}"])
        trainings = ours | theirs
        turns = {(name, n): partial(trainings[name], n) for name, n in epochs.items()}
        # A training of one more epoch shows what an epoch takes without reading the text.
        turns |= {(name, n + 1): partial(trainings[name], n + 1) for name, n in epochs.items()}
        results = harness.run_interleaved(turns, args.rounds)

    seconds = {key: [training.seconds for training in runs] for key, runs in results.items()}
    [reference] = [seconds[name, n] for name, n in epochs.items() if name in ours] or [[]]
    rows = []
    for name, n in epochs.items():
        total = statistics.median(seconds[name, n])
        epoch = statistics.median(seconds[name, n + 1]) - total
        rows.append(
            [
                name,
                f"{total:.2f} s",
                f"{harness.median_ratio(seconds[name, n], reference):.2f} ×" if reference else "",
                str(n),
                f"{statistics.median(t.accuracy for t in results[name, n]):.2%}",
                f"{num_words / epoch:,.0f}",
            ]
        )
    header = ["contender", "time", "relative to ours", "epochs", "accuracy"]
    header.append("words per second, without reading")
    summary = (
        f"Whole trainings on {len(train):,} labelled reviews ({corpus.data_name}), {num_words:,}"
        f" words, to {TARGET:.1%} accuracy on {len(val):,} validation reviews of other films; {dim}"
        f" dimensions; fastText on {threads} threads; medians of {args.rounds} rounds in which the"
        f" contenders take turns; {harness.RATIO_NOTE}. {harness.FAIRNESS_NOTE}"
    )
    lines = harness.markdown_table(header, [*rows, *missing])
    harness.write_report(args.out, "The mean of embeddings, timed", summary, lines, "torch")


if __name__ == "__main__":
    run_main(main)
