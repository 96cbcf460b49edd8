"""Scalar autograd in the manner of Karpathy's micrograd: each number is a node of a graph.

It trains the same network as `stages.mlp_numpy` and shows what computing with arrays is worth.
"""

import math
from collections.abc import Iterable, Sequence


class Value:
    """A number, its gradient, the values it was computed from, and the derivative by each."""

    __slots__ = ("data", "derivatives", "grad", "parents")

    def __init__(
        self, data: float, parents: tuple["Value", ...] = (), derivatives: tuple[float, ...] = ()
    ) -> None:
        self.data, self.grad = data, 0.0
        self.parents, self.derivatives = parents, derivatives

    def __add__(self, other: "Value") -> "Value":
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other: "Value") -> "Value":
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def tanh(self) -> "Value":
        t = math.tanh(self.data)
        return Value(t, (self,), (1 - t * t,))

    def backward(self, gradient: float) -> None:
        """Add to the gradient of every value that this one was computed from."""
        order: list[Value] = []
        visited: set[int] = set()
        stack = [(self, False)]
        while stack:  # not recursive: Python limits the depth
            node, children_done = stack.pop()
            if children_done:
                order.append(node)
            elif id(node) not in visited:
                visited.add(id(node))
                stack.append((node, True))
                stack.extend((parent, False) for parent in node.parents)
        self.grad = gradient
        for node in reversed(order):
            for parent, derivative in zip(node.parents, node.derivatives, strict=True):
                parent.grad += derivative * node.grad


def cross_entropy(logits: Sequence[Value], label: int) -> Value:
    """Return minus the log of the softmax at the label, as one node."""
    largest = max(z.data for z in logits)
    exps = [math.exp(z.data - largest) for z in logits]
    total = sum(exps)
    derivatives = tuple(e / total - (c == label) for c, e in enumerate(exps))
    return Value(math.log(total) + largest - logits[label].data, tuple(logits), derivatives)


def linear(inputs: Sequence[Value], W: list[list[Value]], b: list[Value]) -> list[Value]:
    """Return inputs @ W + b."""
    outputs = []
    for unit, z in enumerate(b):
        for value, row in zip(inputs, W, strict=True):
            z = z + value * row[unit]
        outputs.append(z)
    return outputs


def fit(
    X: Sequence[Sequence[float]],
    labels: Sequence[int],
    weights: Sequence[Sequence[Sequence[float]]],
    epochs: Iterable[Iterable[Sequence[int]]],
    learning_rate: float,
    momentum: float,
) -> list[float]:
    """Train the network with tanh by SGD with momentum; return the mean loss of each epoch.

    Args:
        X, labels: Samples, and their classes.
        weights: W1 (n, h), b1 (1, h), W2 (h, C) and b2 (1, C), as nested lists.
        epochs: For each epoch, the row numbers of each batch.
        learning_rate, momentum: Of the optimizer.
    """
    W1, b1, W2, b2 = ([[Value(w) for w in row] for row in W] for W in weights)
    parameters = [value for W in (W1, b1, W2, b2) for row in W for value in row]
    velocities = [0.0] * len(parameters)
    losses = []
    for batches in epochs:
        total = 0.0
        for rows in batches:
            for row in rows:
                x = [Value(coordinate) for coordinate in X[row]]
                A1 = [z.tanh() for z in linear(x, W1, b1[0])]
                L = cross_entropy(linear(A1, W2, b2[0]), labels[row])
                L.backward(1 / len(rows))
                total += L.data
            for index, parameter in enumerate(parameters):
                velocities[index] = momentum * velocities[index] + parameter.grad
                parameter.data -= learning_rate * velocities[index]
                parameter.grad = 0.0
        losses.append(total / len(X))
    return losses
