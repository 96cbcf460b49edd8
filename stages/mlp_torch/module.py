"""The network as a class of our own: nn.Module, with its forward pass in Python.

Against sequential.py one idea is new: `forward` is ordinary code. Here it does no more than the
chain of layers did, but it could as well branch, loop, or use a layer twice.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
}

Network = Callable[[Tensor], Tensor]
Weights = tuple[Tensor, Tensor, Tensor, Tensor]


class MLP(nn.Module):
    """One hidden layer: n inputs, h hidden units, C logits."""

    def __init__(self, n: int, h: int, C: int, activation: str, dtype: torch.dtype) -> None:
        super().__init__()
        self.layer1 = nn.Linear(n, h, dtype=dtype)
        self.phi = ACTIVATIONS[activation]()
        self.layer2 = nn.Linear(h, C, dtype=dtype)

    def forward(self, X: Tensor) -> Tensor:
        """From samples (m, n) to logits (m, C)."""
        Z1 = self.layer1(X)  # (m, h)
        A1 = self.phi(Z1)  # (m, h)
        Z2: Tensor = self.layer2(A1)  # (m, C)
        return Z2


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
    n, h = weights[0].shape
    h, C = weights[2].shape
    network = MLP(n, h, C, activation, X.dtype)

    layer1, layer2 = network.layer1, network.layer2
    W1, b1, W2, b2 = layer1.weight.T, layer1.bias, layer2.weight.T, layer2.bias
    with torch.no_grad():
        for W, start in zip((W1, b1, W2, b2), weights, strict=True):
            W.copy_(start)
    optimizer = torch.optim.SGD(network.parameters(), lr=learning_rate, momentum=momentum)

    for batches in schedule:
        total = 0.0
        for rows in batches:
            L = cross_entropy(network(X[rows]), labels[rows])
            L.backward()
            optimizer.step()
            optimizer.zero_grad()  # or the next gradient would be added to this one
            total += L.item() * len(rows)
        yield total / len(X), network, (W1, b1, W2, b2)
