"""Train a network, draw its curves live, keep its checkpoint, and rate its held-out reviews."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from dvclive import Live
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  its name in every PyTorch text

from stages.common.progress import say
from stages.imdb.checkpoint import Checkpoint, Run
from stages.imdb.models import Network
from stages.imdb.params import Training
from stages.imdb.rating import rate
from stages.imdb.reviews import Indices, Reviews
from stages.imdb.training import Objective, train


@dataclass(frozen=True)
class Lesson:
    """What a network is to learn.

    Attributes:
        reviews: all there are.
        places: int64, the numbers of those to train on.
        held_out: int64, the numbers of the labelled ones to validate on.
        targets: float32 [reviews], the probability that a review is good.
    """

    reviews: Reviews
    places: Indices
    held_out: Indices
    targets: Tensor


def fit(
    name: str,
    run: Run[Network],
    objective: Objective,
    lesson: Lesson,
    settings: Training,
    checkpoint: Checkpoint,
    live: Path,
) -> Iterator[int]:
    """Train a run's network in place, from its checkpoint if there is one.

    Args:
        name: of the training, for its messages.
        run: at its beginning.
        objective, settings: see `training.train`.
        live: folder for the curves.

    Yields:
        How many more reviews have been learned from, those before the checkpoint first.
    """
    checkpoint.resume(run)
    yield run.step * settings.batch
    with Live(str(live), save_dvc_exp=False, dvcyaml=None) as curves:
        for curve in run.curves:
            _draw(curves, curve)
        for step in train(run, objective, lesson.reviews, lesson.places, lesson.targets, settings):
            if step.epoch:
                curve = {"train/loss": step.epoch.loss, "train/accuracy": step.epoch.accuracy}
                line = f"{name}, epoch {step.epoch.number}: loss {step.epoch.loss:.3f}"
                if len(lesson.held_out):
                    loss, accuracy = validate(run.network, lesson.reviews, lesson.held_out)
                    curve |= {"validation/loss": loss, "validation/accuracy": accuracy}
                    line += f"; held-out reviews: loss {loss:.3f}, {accuracy:.2%} right"
                run.curves.append(curve)
                _draw(curves, curve)
                say(line)
            checkpoint.save_if_due(run)
            yield step.reviews
    checkpoint.save(run)


def validate(network: Network, reviews: Reviews, places: Indices) -> tuple[float, float]:
    """Mean cross-entropy and accuracy on some labelled reviews."""
    good = torch.from_numpy(rate(network, [reviews[i] for i in places]))
    labels = torch.from_numpy(reviews.labels[places]).float()
    loss = F.binary_cross_entropy(good, labels).item()
    return loss, float(np.mean((good > 0.5).numpy() == (labels > 0.5).numpy()))


def _draw(curves: Live, curve: dict[str, float]) -> None:
    for name, value in curve.items():
        curves.log_metric(name, value)
    curves.next_step()  # type: ignore[no-untyped-call]
