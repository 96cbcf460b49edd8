"""Stage: train one of the two networks, from every seed.

On the CPU, each processor trains a seed, on one thread: two seeds side by side on two processors
are done sooner than one after the other on both, and the weights do not depend on how many
processors there are. The seeds take turns, from one checkpoint to the next, so that all end at
about the same time and no processor is idle while the last is trained.

On a graphics card, or where several processes share each batch (`stages.imdb.together`), one seed
is trained after another.
"""

import argparse
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from ctypes import Array, c_bool, c_int64
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from stages.common import params
from stages.common.errors import StageError, run
from stages.common.files import atomic
from stages.common.processes import SPAWN, pool, processors
from stages.common.progress import progress, say
from stages.imdb import together
from stages.imdb.checkpoint import Checkpoint, Run, identity_of
from stages.imdb.device import LARGE_PAGES, choose, deterministic, keep_memory
from stages.imdb.fit import Lesson, fit
from stages.imdb.models import MeanClassifier, Network
from stages.imdb.params import LSTM, Imdb, Training
from stages.imdb.predictions import read
from stages.imdb.reviews import Indices, Reviews, split_by_film
from stages.imdb.reviews import load as load_reviews
from stages.imdb.saved import (
    Description,
    ModelName,
    build,
    load_weights,
    save_description,
    save_weights,
)
from stages.imdb.training import Objective, adversarial, begin, plain, targets_of, train


@dataclass(frozen=True)
class Task:
    """What every process is told.

    Attributes:
        model: its name.
        settings: the parameters.
        reviews: a folder of tokenized ones.
        train, held_out: int64, the numbers of the labelled ones to train on and to validate on.
        pretrained, teacher, live, folder, checkpoints: files and folders, as on the command line.
        identity: of the checkpoints.
    """

    model: ModelName
    settings: Imdb
    reviews: Path
    train: Indices
    held_out: Indices
    pretrained: Path | None
    teacher: Path | None
    live: Path
    folder: Path
    checkpoints: Path
    identity: str


def section(model: ModelName, settings: Imdb) -> Training:
    """The model's own parameters."""
    return settings.mean if model == "mean" else settings.lstm


def description_of(model: ModelName, settings: Imdb, reviews: Reviews) -> Description:
    """What `model.json` says of the network that the parameters describe."""
    sizes = {"vocabulary": len(reviews.words), "embedding_dim": settings.embedding_dim}
    if model == "lstm":
        sizes |= {"hidden": settings.lstm.hidden}
    if pairs := section(model, settings).pairs:
        sizes |= {"buckets": pairs}
    return Description(
        model=model,
        data=reviews.data,
        classes=list(reviews.classes),
        seeds=settings.seeds,
        sizes=sizes,
    )


def train_seed(task: Task, seed: int, again: bool = False) -> Iterator[tuple[int, bool]]:
    """Train from one seed, from its checkpoint on; at the end write the weights.

    Args:
        task: what to do.
        seed: of everything random.
        again: whether this is not the seed's first turn since the stage began.

    Yields:
        How many more reviews have been learned from, and whether it was time for a checkpoint.
    """
    reviews = load_reviews(task.reviews)
    deterministic(seed)
    network = build(description_of(task.model, task.settings, reviews))
    if task.pretrained is not None:
        load_pretrained(network, task.pretrained)
    network.to(choose(task.settings.train.device))
    curves: list[dict[str, float]] = []
    seen = 0
    for number, (settings, objective) in enumerate(phases(network, task.settings), 1):
        lesson = lesson_of(task, settings, reviews, seed)
        phase = begin(network, seed)
        phase.curves = curves
        path = task.checkpoints / f"seed-{seed}-{number}.safetensors"
        checkpoint = Checkpoint(path, task.identity)
        checkpoint.resume(phase, quiet=again)
        begun = phase.step
        if not again:
            yield phase.step * settings.batch, False  # about, but enough for the time left
        for reviews_done in learn(task, seed, phase, objective, lesson, settings, seen):
            yield reviews_done, checkpoint.save_if_due(phase)
        if phase.step > begun:
            checkpoint.save(phase)
        curves = phase.curves
        seen += settings.epochs * len(lesson.places)
    if together.leads():
        save_weights(network, task.folder, seed)


def learn(
    task: Task,
    seed: int,
    phase: Run[Network],
    objective: Objective,
    lesson: Lesson,
    settings: Training,
    seen: int,
) -> Iterator[int]:
    """Train a phase of a network in place; the first of several processes draws the curves.

    Yields:
        How many more reviews have been learned from.
    """
    if together.leads():
        name, live = f"{task.model}, seed {seed}", task.live / f"seed-{seed}"
        yield from fit(name, phase, objective, lesson, settings, live, seen)
    else:
        steps = train(phase, objective, lesson.reviews, lesson.places, lesson.targets, settings)
        yield from (step.reviews for step in steps)


def load_pretrained(network: Network, path: Path) -> None:
    """Start the network from a language model's weights; its output layer has none yet.

    Raises:
        StageError: when they are of other sizes, or of another network.
    """
    try:
        missing, unknown = network.load_state_dict(load_weights(path), strict=False)
    except RuntimeError as error:
        raise StageError(f"{path}: {str(error).splitlines()[-1].strip()}; run dvc repro") from None
    if other := [*unknown, *(name for name in missing if not name.startswith("output."))]:
        raise StageError(f"{path}: weights of another network ({other[0]}); run dvc repro")


def lesson_of(task: Task, settings: Training, reviews: Reviews, seed: int) -> Lesson:
    """The labelled reviews; with a teacher some without a label too, and its ratings for labels.

    To learn another model's probabilities is called distillation (Hinton, Vinyals & Dean 2015).
    """
    places = task.train
    targets = targets_of(reviews)
    if task.teacher is not None:
        unlabelled = reviews.where("unlabelled")
        ratings = read(task.teacher).probabilities
        if ratings.shape != (1, len(unlabelled), len(reviews.classes)):
            raise StageError(
                f"{task.teacher}: {ratings.shape[1]:,} ratings, but {len(unlabelled):,} unlabelled"
                f" reviews in {task.reviews}; run dvc repro"
            )
        targets[unlabelled] = torch.from_numpy(ratings[0])
        count = round(settings.unlabelled * len(unlabelled))
        chosen = np.random.default_rng([seed, 2]).choice(unlabelled, count, replace=False)
        places = np.concatenate([places, np.sort(chosen)])
    return Lesson(reviews, places, task.held_out, targets)


def trainings(own: Training) -> list[Training]:
    """One after another they make up a network's: an LSTM may be refined, on the labels alone."""
    if not isinstance(own, LSTM) or own.refine.epochs == 0:
        return [own]
    changes = own.refine.model_dump(include={"epochs", "learning_rate"}) | {"unlabelled": 0.0}
    return [own, own.model_copy(update=changes)]


def phases(network: Network, settings: Imdb) -> list[tuple[Training, Objective]]:
    """The trainings of a network, each with its objective."""
    if isinstance(network, MeanClassifier):
        return [(own, partial(plain, network)) for own in trainings(settings.mean)]
    lstm = settings.lstm
    # No part of the trained network: not in `sizes`.
    network.dropout = together.Dropout(lstm.dropout)
    objectives = [partial(adversarial, network, p) for p in (0.0, lstm.refine.perturbation)]
    return list(zip(trainings(lstm), objectives, strict=False))


# What the processes share has no lock: one that was killed could hold it for ever.
_done: "Array[c_int64]"  # reviews learned from, for each seed: one process at a time adds to them
_stop: c_bool  # whether the processes are to leave off


def _start_process(done: "Array[c_int64]", stop: c_bool) -> None:
    global _done, _stop
    _done, _stop = done, stop
    torch.set_num_threads(1)


def take_turn(task: Task, seed: int, again: bool) -> bool:
    """Train from one seed until a checkpoint is due, or to the end; whether that was the end."""
    place = task.settings.seeds.index(seed)
    for reviews, saved in train_seed(task, seed, again):
        if _stop.value:
            raise SystemExit
        _done[place] += reviews
        if saved:
            return False
    return True


def take_turns(executor: ProcessPoolExecutor, task: Task, done: "Array[c_int64]") -> Iterator[int]:
    """Train all seeds; yield now and then how many more reviews are done."""
    turns = {executor.submit(take_turn, task, seed, False): seed for seed in task.settings.seeds}
    seen = 0
    while turns:
        for future in wait(turns, 0.2, FIRST_COMPLETED).done:
            seed = turns.pop(future)
            if not future.result():
                turns[executor.submit(take_turn, task, seed, True)] = seed
        now = sum(done)
        yield now - seen
        seen = now


def one_by_one(task: Task, total: int) -> None:
    """Train from every seed, one after another, in this process and those of its group.

    Args:
        task: what to do.
        total: see `side_by_side`.

    Raises:
        StageError: when the training of a seed diverges.
    """
    keep_memory()
    torch.set_num_threads(1)
    done: Iterator[int] = (
        reviews for seed in task.settings.seeds for reviews, _ in train_seed(task, seed)
    )
    if together.leads():
        done = progress(done, total, task.model, "reviews", size=lambda n: n)
    for _ in done:
        pass


def side_by_side(task: Task, total: int) -> None:
    """Train from every seed, as many at a time as there are processors.

    Args:
        task: what to do.
        total: reviews that all seeds together learn from, each as often as they do.

    Raises:
        StageError: when the training of a seed diverges, or a process is killed.
    """
    seeds = len(task.settings.seeds)
    done, stop = SPAWN.RawArray(c_int64, seeds), SPAWN.RawValue(c_bool, False)
    workers = min(seeds, processors())
    os.environ |= LARGE_PAGES
    with pool(workers, _start_process, done, stop) as executor:
        try:
            done_since = take_turns(executor, task, done)
            for _ in progress(done_since, total, task.model, "reviews", size=lambda n: n):
                pass
        except BrokenProcessPool:
            raise StageError(
                f"{task.model}: a training process was killed, most likely for want of memory;"
                f" lower imdb.{task.model}.batch or window in params.yaml"
            ) from None
        finally:
            stop.value = True
            executor.shutdown(cancel_futures=True)


def train_networks(
    args: argparse.Namespace, settings: Imdb, reviews: Reviews, device: torch.device
) -> None:
    """Train from every seed and write the networks, if this process is the one that writes.

    Args:
        args: the command line.
        settings: the parameters.
        reviews: over the vocabulary.
        device: to train on.
    """
    own = section(args.model, settings)
    inputs = [path for path in (args.reviews, args.pretrained, args.teacher) if path]
    identity = identity_of((own, settings.embedding_dim, settings.validation), inputs, device)
    together.agree(identity)
    labelled, held_out = split_by_film(reviews.index, settings.validation)
    leads = together.leads()
    with atomic(args.out) if leads else nullcontext(args.out) as folder:
        task = Task(
            model=args.model,
            settings=settings,
            reviews=args.reviews,
            train=labelled,
            held_out=held_out,
            pretrained=args.pretrained,
            teacher=args.teacher,
            live=args.live,
            folder=folder,
            checkpoints=args.checkpoints,
            identity=identity,
        )
        counts = [len(lesson_of(task, each, reviews, seed=0).places) for each in trainings(own)]
        total = sum(each.epochs * n for each, n in zip(trainings(own), counts, strict=True))
        if leads:
            folder.mkdir()
            say(
                f"{args.model}: {len(settings.seeds)} seeds, each learning from {len(labelled):,}"
                f" labelled and {counts[0] - len(labelled):,} unlabelled reviews"
            )
        in_turn = together.size() > 1 or device.type != "cpu"
        (one_by_one if in_turn else side_by_side)(task, total * len(settings.seeds))
        if leads:
            save_description(description_of(args.model, settings, reviews), reviews.words, folder)
    if leads:
        shutil.rmtree(args.checkpoints, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=["mean", "lstm"])
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--reviews", type=Path, required=True, help="over the vocabulary")
    parser.add_argument("--pretrained", type=Path, help="a language model to start from")
    parser.add_argument("--teacher", type=Path, help="ratings of the unlabelled reviews")
    parser.add_argument("--live", type=Path, required=True, help="folder for the curves")
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder, gone at the end")
    parser.add_argument("--out", type=Path, required=True, help="folder for the trained networks")
    args = parser.parse_args()
    if args.model == "mean" and args.pretrained:
        parser.error("--pretrained is for the lstm")
    settings = params.load(args.params, "imdb", Imdb)
    device = choose(settings.train.device)
    reviews = load_reviews(args.reviews)
    if settings.train.processes > 1 and not together.called():
        os.environ |= LARGE_PAGES
        return together.launch("stages.imdb.train", settings.train.processes, device)

    with together.joined(device):
        train_networks(args, settings, reviews, device)


if __name__ == "__main__":
    run(main)
