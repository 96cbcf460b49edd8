"""The network as nn.Sequential: layers that own their weights, an optimiser that updates them.

Against by_hand.py one idea is new: the parts are PyTorch's. nn.Linear is X @ W.T + b and keeps
W.T, of shape (out, in); SGD does what the loop over the parameters did.
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
    layer1, layer2 = nn.Linear(n, h, dtype=X.dtype), nn.Linear(h, C, dtype=X.dtype)
    network = nn.Sequential(layer1, ACTIVATIONS[activation](), layer2)

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
