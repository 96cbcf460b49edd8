"""The network by hand: plain tensors, and only the gradients come from PyTorch.

Against project 1 one idea is new: the forward pass is remembered, operation by operation, and
`L.backward()` walks it back. `backward` need not be written, and cannot be written wrong.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
}

Network = Callable[[Tensor], Tensor]
Weights = tuple[Tensor, Tensor, Tensor, Tensor]


def fit(
    X: Tensor,
    labels: Tensor,
    weights: Weights,
    activation: str,
    schedule: Iterable[Sequence[Tensor]],
    learning_rate: float,
    momentum: float,
) -> Iterator[tuple[float, Network, Weights]]:
    """Train the network, an epoch for each item of `schedule`.

    Args:
        X: samples of shape (m, n), in the dtype to compute with.
        labels: their classes, of shape (m,), int64.
        weights: where to start: W1 (n, h), b1 (h,), W2 (h, C) and b2 (C,); they are copied.
        activation: a key of ACTIVATIONS.
        schedule: for each epoch, the row numbers of each of its batches.
        learning_rate: the length of a step, in units of the gradient.
        momentum: the share of the velocity that is kept from step to step.

    Yields:
        After each epoch: the mean loss of its samples, each taken when its batch was trained on;
        the network, from X to logits of shape (m, C); and its weights, as they were given.
    """
    W1, b1, W2, b2 = parameters = [W.clone().requires_grad_() for W in weights]
    velocities = [torch.zeros_like(W) for W in parameters]
    phi = ACTIVATIONS[activation]

    def network(X: Tensor) -> Tensor:
        Z1 = X @ W1 + b1  # (m, h)
        A1 = phi(Z1)  # (m, h)
        Z2 = A1 @ W2 + b2  # (m, C)
        return Z2

    for batches in schedule:
        total = 0.0
        for rows in batches:
            L = cross_entropy(network(X[rows]), labels[rows])
            L.backward()
            with torch.no_grad():  # the update is no part of the network
                for W, V in zip(parameters, velocities, strict=True):
                    V.mul_(momentum).add_(W.grad)  # type: ignore[arg-type]
                    W.sub_(learning_rate * V)
                    W.grad = None  # or the next gradient would be added to this one
            total += L.item() * len(rows)
        yield total / len(X), network, (W1, b1, W2, b2)
