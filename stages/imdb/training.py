"""The training loop of both networks, and adversarial training; knows nothing of files."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  its name in every PyTorch text

from stages.common.errors import StageError
from stages.imdb import together
from stages.imdb.adam import clip, optimizers_of
from stages.imdb.batches import pad, shuffled
from stages.imdb.checkpoint import Run
from stages.imdb.device import device_of
from stages.imdb.models import LSTMClassifier, Network, probabilities
from stages.imdb.params import Training
from stages.imdb.reviews import Ids, Indices, Reviews

Kept = npt.NDArray[np.bool_] | slice

REPORTS = 5  # in the course of a training
WARM_UP = 0.05  # of all steps, over which the learning rate rises


@dataclass(frozen=True)
class Report:
    """How the ratings were while they were trained on, since the last report.

    Attributes:
        reviews: learned from, since the beginning.
        loss: mean cross-entropy with the targets.
        accuracy: share of ratings that hold the same class most likely as their targets do.
    """

    reviews: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class Step:
    """How many reviews were in a batch; and now and then a report."""

    reviews: int
    report: Report | None = None


@dataclass(frozen=True)
class Gradient:
    """Of these reviews' mean cross-entropy, in the parameters' `grad`; and what it is of."""

    logits: Tensor  # [batch], or [batch × classes]
    loss: float


# From ids, lengths and targets to one gradient after another; the caller takes a step after each.
Objective = Callable[[Tensor, Tensor, Tensor], Iterator[Gradient]]


def train(
    run: Run[Network],
    objective: Objective,
    reviews: Reviews,
    places: Indices,
    targets: Tensor,
    settings: Training,
) -> Iterator[Step]:
    """Train the run's network in place, from the step it is at, where its weights are.

    Of every batch each process of a group learns from its own reviews and reads no others; what is
    random is drawn for the whole batch, so that it does not depend on their number.

    Args:
        run: its state; between two steps it may be saved.
        objective: `plain` or `adversarial`, with their first arguments bound.
        reviews: among others those to train on.
        places: int64, the numbers of those to train on.
        targets: float32 [reviews × classes], how likely each class is: see `targets_of`, or what
            another model says.
        settings: the network's section of the parameters.

    Yields:
        After each batch what was done in it.

    Raises:
        StageError: when the loss is no longer a number; names the step and the mend.
    """
    lengths = np.minimum(reviews.lengths[places], settings.window)
    steps_an_epoch = math.ceil(len(places) / settings.batch)
    steps = settings.epochs * steps_an_epoch
    device = device_of(run.network)
    while run.step < steps:
        epoch, before = divmod(run.step, steps_an_epoch)
        batches = shuffled(lengths, settings.batch, run.order(epoch))
        run.network.train()
        for batch in batches[before:]:
            generator = run.random()
            chosen = places[batch]
            windows = [cut(reviews[i], settings.window, generator) for i in chosen]
            kept = [keep_words(len(w), settings.word_dropout, generator) for w in windows]
            share = together.share(len(chosen))
            ids, lens = pad([windows[i][kept[i]] for i in share.places])
            ids, lens, target = (
                part.to(device) for part in (ids, lens, targets[chosen[share.places]])
            )
            rate = settings.learning_rate * schedule(run.step / steps)
            gradients = []
            for gradient in objective(ids, lens, target):
                together.add_up(run.network, share.weight)
                if isinstance(run.network, LSTMClassifier):
                    clip(run.network)
                run.take_step(rate)
                gradients.append(gradient)
            run.step += 1
            first = gradients[0]  # of the reviews as they are
            same = probabilities(first.logits).argmax(1) == target.argmax(1)
            own_right = int(same[: share.count].sum())
            loss, right = together.total(first.loss * share.weight, own_right)
            if not math.isfinite(loss):
                raise StageError(
                    f"step {run.step}: the loss is {loss}: the training diverged and no"
                    f" model is written; lower the learning_rate, {settings.learning_rate}, in"
                    " params.yaml"
                )
            run.add(reviews=len(chosen), loss=loss * len(chosen), right=right)
            report = None
            if run.step * REPORTS // steps > (run.step - 1) * REPORTS // steps:
                done = run.step - epoch * steps_an_epoch
                seen = epoch * len(places) + sum(len(batch) for batch in batches[:done])
                number = run.sums["reviews"]
                report = Report(seen, run.sums["loss"] / number, run.sums["right"] / number)
                run.sums = {}
            yield Step(len(chosen), report)
    run.network.eval()


def targets_of(reviews: Reviews) -> Tensor:
    """Float32 [reviews × classes], 1 at the class of a review's label; of unlabelled ones no sense.

    Other numbers between, adding up to 1, are allowed where it is not so sure.
    """
    return torch.from_numpy(np.eye(len(reviews.classes), dtype=np.float32)[reviews.labels])


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean over the reviews of −Σ target · log(probability), from a network's logits.

    Args:
        logits: see `stages.imdb.models`.
        targets: float32 [batch × classes].
    """
    if logits.ndim == 1:
        return F.binary_cross_entropy_with_logits(logits, targets[:, 1])
    return F.cross_entropy(logits, targets)


def plain(network: Network, ids: Tensor, lengths: Tensor, targets: Tensor) -> Iterator[Gradient]:
    """The gradient at the reviews as they are."""
    logits = network(ids, lengths)
    loss = cross_entropy(logits, targets)
    loss.backward()
    yield Gradient(logits, loss.item())


def adversarial(
    network: LSTMClassifier, perturbation: float, ids: Tensor, lengths: Tensor, targets: Tensor
) -> Iterator[Gradient]:
    """The LSTM's gradient; then, with a perturbation, that where the loss rises most.

    For each review, with embeddings e and g = ∂loss/∂e, the second is taken at
    e + perturbation · ‖e‖ · g/‖g‖ (Miyato, Dai & Goodfellow 2017, "Adversarial Training Methods for
    Semi-Supervised Text Classification", equation 5): the network must not change its mind over
    differences too small to change a meaning. A step after each of the two, not one after their
    sum, makes twice the way in the same time.
    """
    embeddings = network.embed(ids)  # batch × review_len × embedding_dim
    embeddings.retain_grad()
    logits = network.rate(embeddings, lengths)
    loss = cross_entropy(logits, targets)
    loss.backward()
    uphill = embeddings.grad
    assert uphill is not None  # noqa: S101  retain_grad keeps it
    yield Gradient(logits, loss.item())

    if perturbation == 0:
        return
    move = perturbation * norm(embeddings.detach()) * uphill / (norm(uphill) + 1e-12)
    logits = network.rate(network.embed(ids) + move, lengths)
    loss = cross_entropy(logits, targets)
    loss.backward()
    yield Gradient(logits, loss.item())


def norm(embeddings: Tensor) -> Tensor:
    """The length of each review's embeddings as one vector: [batch × 1 × 1]."""
    return embeddings.flatten(1).norm(dim=1)[:, None, None]


def cut(ids: Ids, window: int, generator: np.random.Generator) -> Ids:
    """A review's words, or where there are more than `window`, as many in a row from anywhere."""
    start = generator.integers(max(0, len(ids) - window) + 1)
    return ids[start : start + window]


def keep_words(count: int, share: float, generator: np.random.Generator) -> Kept:
    """Which of so many words not to leave out: a random share, so that no network leans on a few.

    Returns:
        What to index the words with: bool [count], or, with a share of 0, a slice of them all.
    """
    return generator.random(count) >= share if share else slice(None)


def schedule(progress: float) -> float:
    """The learning rate as a share of its peak: up in a line, down along a cosine to zero."""
    return min(1.0, (progress + 1e-4) / WARM_UP) * (1 + math.cos(math.pi * progress)) / 2


def begin(network: Network, seed: int) -> Run[Network]:
    """A training that has not taken a step yet."""
    return Run(network, optimizers_of(network), seed)
