"""Stage: train one of the two networks, from every seed.

Each seed is trained by a process of its own, on one thread: two seeds side by side on two
processors are done sooner than one after the other on both, and the weights do not depend on how
many processors there are.
"""

import argparse
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import torch
from dvclive import Live
from torch.nn import functional as F  # noqa: N812  its name in every PyTorch text

from stages.common import params
from stages.common.errors import StageError, run
from stages.common.files import atomic
from stages.common.progress import progress, say
from stages.imdb.device import keep_memory
from stages.imdb.models import MeanClassifier
from stages.imdb.params import Imdb, Training
from stages.imdb.rating import rate
from stages.imdb.reviews import Indices, Reviews, split_by_film
from stages.imdb.reviews import load as load_reviews
from stages.imdb.saved import (
    Description,
    ModelName,
    Network,
    build,
    load_weights,
    save_description,
    save_weights,
)
from stages.imdb.training import Epoch, Objective, adversarial, plain, train


@dataclass(frozen=True)
class Task:
    """What every process is told: the model's name, its parameters, and where things are."""

    model: ModelName
    settings: Imdb
    reviews: Path
    pretrained: Path | None
    live: Path
    folder: Path


def describe(model: ModelName, settings: Imdb, reviews: Reviews) -> Description:
    """What `model.json` says of the network that the parameters describe."""
    sizes = {"vocabulary": len(reviews.words), "embedding_dim": settings.embedding_dim}
    if model == "lstm":
        sizes |= {"hidden": settings.lstm.hidden}
    elif settings.mean.ngrams == 2:
        sizes |= {"buckets": settings.mean.buckets}
    return Description(model=model, data=reviews.data, seeds=settings.seeds, sizes=sizes)


def train_seed(task: Task, seed: int) -> None:
    """Train from one seed, log each epoch's loss and accuracy, and write the weights."""
    reviews = load_reviews(task.reviews)
    places, held_out = split_by_film(reviews, task.settings.validation)
    torch.manual_seed(seed)
    network = build(describe(task.model, task.settings, reviews))
    if task.pretrained is not None:
        network.load_state_dict(load_weights(task.pretrained), strict=False)
    settings, objective = bind(network, task.settings)
    name = f"{task.model}, seed {seed}"
    with Live(str(task.live / f"seed-{seed}"), save_dvc_exp=False, dvcyaml=None) as live:
        for event in train(network, objective, reviews, places, settings, seed):
            if not isinstance(event, Epoch):
                _count(event)
                continue
            live.log_metric("train/loss", event.loss)
            live.log_metric("train/accuracy", event.accuracy)
            line = f"{name}, epoch {event.number}: loss {event.loss:.3f}"
            if len(held_out):
                loss, accuracy = validate(network, reviews, held_out)
                live.log_metric("validation/loss", loss)
                live.log_metric("validation/accuracy", accuracy)
                line += f"; held-out reviews: loss {loss:.3f}, {accuracy:.2%} right"
            live.next_step()
            say(line)
    save_weights(network, task.folder, seed)


def bind(network: Network, settings: Imdb) -> tuple[Training, Objective]:
    """The section of the parameters and the objective that go with a network."""
    if isinstance(network, MeanClassifier):
        return settings.mean, partial(plain, network)
    network.dropout.p = settings.lstm.dropout  # no part of the trained network: not in `sizes`
    return settings.lstm, partial(adversarial, network, settings.lstm.perturbation)


def validate(network: Network, reviews: Reviews, places: Indices) -> tuple[float, float]:
    """Mean cross-entropy and accuracy on some labelled reviews."""
    good = torch.from_numpy(rate(network, [reviews[i] for i in places]))
    labels = torch.from_numpy(reviews.labels[places]).float()
    loss = F.binary_cross_entropy(good, labels).item()
    return loss, float(((good > 0.5) == (labels > 0.5)).float().mean())


_done: "Synchronized[int]"  # reviews that all processes together have trained on


def _start_process(done: "Synchronized[int]") -> None:
    global _done
    _done = done
    torch.set_num_threads(1)
    keep_memory()


def _count(reviews: int) -> None:
    with _done.get_lock():
        _done.value += reviews


def _watch(done: "Synchronized[int]", futures: list[Future[None]]) -> Iterator[int]:
    """Yield how many more reviews are done, until every process has ended or one has failed."""
    seen = 0
    while not all(future.done() for future in futures):
        if any(future.done() and future.exception() for future in futures):
            return
        time.sleep(0.2)
        now = done.value
        yield now - seen
        seen = now


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def train_all(task: Task, reviews: int) -> None:
    """Train from every seed, as many at a time as there are processors."""
    context = get_context("spawn")
    done = context.Value("q", 0)
    seeds = task.settings.seeds
    own = task.settings.mean if task.model == "mean" else task.settings.lstm
    total = reviews * own.epochs * len(seeds)
    workers = min(len(seeds), processors())
    with ProcessPoolExecutor(workers, context, _start_process, (done,)) as pool:
        futures = [pool.submit(train_seed, task, seed) for seed in seeds]
        for _ in progress(_watch(done, futures), total, task.model, "review", size=lambda n: n):
            pass
        try:
            for future in futures:
                future.result()
        except BrokenProcessPool:
            raise StageError(
                f"{task.model}: a training process was killed, most likely for want of memory;"
                f" lower imdb.{task.model}.batch or window in params.yaml"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=["mean", "lstm"])
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--reviews", type=Path, required=True, help="over the vocabulary")
    parser.add_argument("--pretrained", type=Path, help="a language model to start from")
    parser.add_argument("--live", type=Path, required=True, help="folder for the curves")
    parser.add_argument("--out", type=Path, required=True, help="folder for the trained networks")
    args = parser.parse_args()
    settings = params.load(args.params, "imdb", Imdb)

    reviews = load_reviews(args.reviews)
    places, _ = split_by_film(reviews, settings.validation)
    with atomic(args.out) as folder:
        folder.mkdir()
        task = Task(args.model, settings, args.reviews, args.pretrained, args.live, folder)
        train_all(task, len(places))
        save_description(describe(args.model, settings, reviews), reviews.words, folder)


if __name__ == "__main__":
    run(main)
