"""The same network on scalars: each number a node of a graph that remembers how it was made.

The smallest autograd that trains it, in the manner of Karpathy's micrograd, as a measure of what
computing with arrays is worth.
"""

import math
from collections.abc import Iterable, Sequence


class Value:
    """A number, its gradient, and the numbers it was made of, each with its local slope."""

    __slots__ = ("data", "grad", "parents", "slopes")

    def __init__(
        self, data: float, parents: tuple["Value", ...] = (), slopes: tuple[float, ...] = ()
    ) -> None:
        self.data, self.grad = data, 0.0
        self.parents, self.slopes = parents, slopes

    def __add__(self, other: "Value") -> "Value":
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other: "Value") -> "Value":
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def tanh(self) -> "Value":
        t = math.tanh(self.data)
        return Value(t, (self,), (1 - t * t,))

    def backward(self, gradient: float) -> None:
        """Add to the gradient of every number that this one was made of."""
        order: list[Value] = []
        seen: set[int] = set()
        stack = [(self, False)]
        while stack:  # not by recursion, whose depth Python limits
            node, done = stack.pop()
            if done:
                order.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                stack.append((node, True))
                stack.extend((parent, False) for parent in node.parents)
        self.grad = gradient
        for node in reversed(order):
            for parent, slope in zip(node.parents, node.slopes, strict=True):
                parent.grad += slope * node.grad


def cross_entropy(logits: Sequence[Value], label: int) -> Value:
    """Minus the log of the softmax at the label, one node, with the slopes known in closed form."""
    largest = max(z.data for z in logits)
    exponentials = [math.exp(z.data - largest) for z in logits]
    total = sum(exponentials)
    slopes = tuple(e / total - (c == label) for c, e in enumerate(exponentials))
    return Value(math.log(total) + largest - logits[label].data, tuple(logits), slopes)


def fit(
    X: Sequence[Sequence[float]],
    labels: Sequence[int],
    weights: Sequence[Sequence[Sequence[float]]],
    schedule: Iterable[Iterable[Sequence[int]]],
    learning_rate: float,
    momentum: float,
) -> list[float]:
    """Train with tanh; weights are W1 (n, h), b1 (1, h), W2 (h, C) and b2 (1, C), nested lists.

    Returns:
        The mean loss of each epoch.
    """
    W1, b1, W2, b2 = ([[Value(w) for w in row] for row in W] for W in weights)
    parameters = [value for W in (W1, b1, W2, b2) for row in W for value in row]
    velocities = [0.0] * len(parameters)
    losses = []
    for batches in schedule:
        total = 0.0
        for rows in batches:
            for row in rows:
                x = [Value(coordinate) for coordinate in X[row]]
                A1 = [z.tanh() for z in _layer(x, W1, b1[0])]
                L = cross_entropy(_layer(A1, W2, b2[0]), labels[row])
                L.backward(1 / len(rows))
                total += L.data
            for index, parameter in enumerate(parameters):
                velocities[index] = momentum * velocities[index] + parameter.grad
                parameter.data -= learning_rate * velocities[index]
                parameter.grad = 0.0
        losses.append(total / len(X))
    return losses


def _layer(inputs: list[Value], W: list[list[Value]], b: list[Value]) -> list[Value]:
    outputs = []
    for unit, z in enumerate(b):
        for value, row in zip(inputs, W, strict=True):
            z = z + value * row[unit]
        outputs.append(z)
    return outputs
