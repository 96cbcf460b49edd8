"""The loss of the classifiers, and how one batch updates the weights."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  its name in every PyTorch text

from stages.imdb.engine import distributed, optim
from stages.imdb.engine.checkpoint import TrainState
from stages.imdb.models.classifiers import Network, SequenceClassifier
from stages.imdb.training.job import Phase


def training_step(
    ddp_network: Any,
    state: TrainState[Network],
    phase: Phase,
    batch: tuple[Tensor, Tensor, Tensor],
    shard: distributed.Shard,
    lr: float,
) -> tuple[Tensor, float]:
    """Update the weights once, and in adversarial training a second time.

    The second update is computed at the embeddings e + ε ‖e‖ g / ‖g‖ of each review, where g is the
    gradient of the loss by e: there the loss rises fastest (Miyato, Dai & Goodfellow 2017,
    "Adversarial Training Methods for Semi-Supervised Text Classification", equation 5). Two updates
    per batch train faster than one with the sum of both gradients.

    Args:
        ddp_network: `state.network`, or its DistributedDataParallel wrapper.
        state: The network and its optimizers.
        phase: Its `adv_epsilon` is ε; 0: no adversarial training.
        batch: ids, lengths and targets of this rank's shard.
        shard: Which part of the batch it is.
        lr: Learning rate.

    Returns:
        The logits of this rank's shard, and their mean loss, both without the perturbation.
    """
    ids, lengths, targets = batch

    def backward_and_step(loss: Tensor) -> None:
        distributed.scale_loss(loss, shard).backward()
        if isinstance(state.network, SequenceClassifier):
            optim.clip_grad_norm(state.network)
        optim.step(state.optimizers, lr)

    if not phase.adv_epsilon:
        logits = ddp_network(ids, lengths)
        loss = cross_entropy(logits, targets)
        backward_and_step(loss)
        return logits, loss.item()

    assert isinstance(state.network, SequenceClassifier)  # noqa: S101  only they have adv_epsilon
    with torch.no_grad():
        embeddings = state.network.embed(ids)
    delta = torch.zeros_like(embeddings, requires_grad=True)  # its gradient is that of e
    logits = ddp_network(ids, lengths, delta)
    loss = cross_entropy(logits, targets)
    backward_and_step(loss)
    assert delta.grad is not None  # noqa: S101
    size = phase.adv_epsilon * per_example_norm(embeddings)
    perturbation = size * delta.grad / (per_example_norm(delta.grad) + 1e-12)
    backward_and_step(cross_entropy(ddp_network(ids, lengths, perturbation), targets))
    return logits, loss.item()


def per_example_norm(embeddings: Tensor) -> Tensor:
    """Return the norm of each review's embeddings as one vector, [batch × 1 × 1]."""
    return embeddings.flatten(1).norm(dim=1)[:, None, None]


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean over the reviews of −Σ target · log(probability).

    Args:
        logits: float32 [batch] or [batch × classes], see `stages.imdb.models.classifiers`.
        targets: float32 [batch × classes].
    """
    if logits.ndim == 1:
        return F.binary_cross_entropy_with_logits(logits, targets[:, 1])
    return F.cross_entropy(logits, targets)
