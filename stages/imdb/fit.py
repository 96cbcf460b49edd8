"""Train a network, draw its curves live, and rate its held-out reviews."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from dvclive import Live
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  its name in every PyTorch text

from stages.common.errors import StageError
from stages.common.progress import say
from stages.imdb.checkpoint import Run
from stages.imdb.models import Network
from stages.imdb.params import Training
from stages.imdb.rating import rate
from stages.imdb.reviews import Indices, Reviews
from stages.imdb.training import Objective, Report, train


@dataclass(frozen=True)
class Lesson:
    """What a network is to learn.

    Attributes:
        reviews: all there are.
        places: int64, the numbers of those to train on.
        held_out: int64, the numbers of the labelled ones to validate on.
        targets: float32 [reviews × classes], how likely each class is.
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
    live: Path,
    seen: int = 0,
) -> Iterator[int]:
    """Train a run's network in place, from the step it is at.

    Args:
        name: of the training, for its messages.
        run: its state; between two steps it may be saved. Its curves are gone on with.
        objective, settings: see `training.train`.
        lesson: what to learn.
        live: folder for the curves.
        seen: reviews that the network had learned from before.

    Yields:
        How many more reviews have been learned from.
    """
    with Live(str(live), save_dvc_exp=False, dvcyaml=None) as curves:
        for point in run.curves:
            _draw(curves, point)
        for step in train(run, objective, lesson.reviews, lesson.places, lesson.targets, settings):
            if step.report:
                run.curves.append(_measure(name, run.network, step.report, lesson, seen))
                _draw(curves, run.curves[-1])
            yield step.reviews


def validate(network: Network, reviews: Reviews, places: Indices) -> tuple[float, float]:
    """Mean cross-entropy and accuracy on some labelled reviews.

    Raises:
        StageError: when a rating is no number.
    """
    rated = torch.from_numpy(rate(network, [reviews[i] for i in places]))
    if not rated.isfinite().all():
        raise StageError(
            "the rating of a held-out review is no number: the training diverged and no model is"
            " written; lower the learning_rate in params.yaml"
        )
    labels = torch.from_numpy(reviews.labels[places])
    tiny = torch.finfo(rated.dtype).tiny  # else the surest mistake would cost infinitely much
    loss = F.nll_loss(rated.clamp(min=tiny).log(), labels).item()
    return loss, (rated.argmax(1) == labels).double().mean().item()


def _measure(
    name: str, network: Network, report: Report, lesson: Lesson, seen: int
) -> dict[str, float]:
    """A point of the curves, which is told too; held-out reviews are rated for it."""
    point = {
        "step": float(seen + report.reviews),
        "train/loss": report.loss,
        "train/accuracy": report.accuracy,
    }
    line = f"{name}, after {seen + report.reviews:,} reviews: loss {report.loss:.3f}"
    if len(lesson.held_out):
        network.eval()
        loss, accuracy = validate(network, lesson.reviews, lesson.held_out)
        network.train()
        point |= {"validation/loss": loss, "validation/accuracy": accuracy}
        line += f"; held-out reviews: loss {loss:.3f}, {accuracy:.2%} right"
    say(line)
    return point


def _draw(curves: Live, point: dict[str, float]) -> None:
    curves.step = int(point["step"])
    for name, value in point.items():
        if name != "step":
            curves.log_metric(name, value)
