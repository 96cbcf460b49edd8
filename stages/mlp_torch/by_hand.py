"""The network with plain tensors: only the gradients come from PyTorch.

New compared with mlp_numpy/model.py: PyTorch records every operation of the forward pass, and
`L.backward()` computes the gradients from the record. No `backward` has to be written.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from stages.mlp_torch.activations import ACTIVATIONS

Network = Callable[[Tensor], Tensor]
Weights = tuple[Tensor, Tensor, Tensor, Tensor]


def fit(
    X: Tensor,
    labels: Tensor,
    weights: Weights,
    activation: str,
    epoch_batches: Iterable[Sequence[Tensor]],
    learning_rate: float,
    momentum: float,
) -> Iterator[tuple[float, Network, Weights]]:
    """Train the network, one epoch for each item of `epoch_batches`.

    Args:
        X: Samples of shape (m, n), in the dtype to compute with.
        labels: Their classes, of shape (m,), int64.
        weights: Initial W1 (n, h), b1 (h,), W2 (h, C) and b2 (C,), which are copied.
        activation: A key of ACTIVATIONS.
        epoch_batches: For each epoch, the sample indices of each batch.
        learning_rate: Factor of the velocity in each step.
        momentum: Fraction of the velocity that is kept from step to step, at least 0, below 1.

    Yields:
        After each epoch: the mean loss of its samples, each computed just before the step that used
        it; the network, a function from X to logits of shape (m, C); and its weights, which the
        next epoch overwrites.
    """
    W1, b1, W2, b2 = parameters = [W.clone().requires_grad_() for W in weights]
    velocities = [torch.zeros_like(W) for W in parameters]
    phi = ACTIVATIONS[activation].function

    def network(X: Tensor) -> Tensor:
        Z1 = X @ W1 + b1  # (m, h)
        A1 = phi(Z1)  # (m, h)
        Z2 = A1 @ W2 + b2  # (m, C)
        return Z2

    for batches in epoch_batches:
        total_loss = 0.0
        for indices in batches:
            L = cross_entropy(network(X[indices]), labels[indices])
            L.backward()
            with torch.no_grad():  # the update is not part of the network
                for W, V in zip(parameters, velocities, strict=True):
                    V.mul_(momentum).add_(W.grad)  # type: ignore[arg-type]
                    W.sub_(learning_rate * V)
                    W.grad = None  # otherwise the next gradient would be added to this one
            total_loss += L.item() * len(indices)
        yield total_loss / len(X), network, (W1, b1, W2, b2)
