"""The network as a subclass of nn.Module, with its forward pass in Python.

New compared with sequential.py: `forward` is ordinary code. Here it only chains the layers, but it
could also branch, loop, or use a layer twice.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from stages.mlp_torch.activations import ACTIVATIONS

Network = Callable[[Tensor], Tensor]
Weights = tuple[Tensor, Tensor, Tensor, Tensor]


class MLP(nn.Module):
    """One hidden layer: n inputs, h hidden units, C logits."""

    def __init__(self, n: int, h: int, C: int, activation: str, dtype: torch.dtype) -> None:
        super().__init__()
        self.layer1 = nn.Linear(n, h, dtype=dtype)
        self.phi = ACTIVATIONS[activation].layer()
        self.layer2 = nn.Linear(h, C, dtype=dtype)

    def forward(self, X: Tensor) -> Tensor:
        """Compute logits (m, C) from samples (m, n)."""
        Z1 = self.layer1(X)  # (m, h)
        A1 = self.phi(Z1)  # (m, h)
        Z2: Tensor = self.layer2(A1)  # (m, C)
        return Z2


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
    n, h = weights[0].shape
    h, C = weights[2].shape
    network = MLP(n, h, C, activation, X.dtype)

    layer1, layer2 = network.layer1, network.layer2
    W1, b1, W2, b2 = layer1.weight.T, layer1.bias, layer2.weight.T, layer2.bias
    with torch.no_grad():
        for W, initial in zip((W1, b1, W2, b2), weights, strict=True):
            W.copy_(initial)
    optimizer = torch.optim.SGD(network.parameters(), lr=learning_rate, momentum=momentum)

    for batches in epoch_batches:
        total_loss = 0.0
        for indices in batches:
            L = cross_entropy(network(X[indices]), labels[indices])
            L.backward()
            optimizer.step()
            optimizer.zero_grad()  # otherwise the next gradient would be added to this one
            total_loss += L.item() * len(indices)
        yield total_loss / len(X), network, (W1, b1, W2, b2)
