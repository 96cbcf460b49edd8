"""A multi-layer perceptron with one hidden layer: forward, loss, backward and update by hand.

The lines of `forward`, `loss`, `backward` and `update` are the equations of plots/1-BP1.png and
plots/1-BP2.png: the pictures are typeset from this very code (see equations.py). The symbols:

    m samples (of the batch), n coordinates a sample, h hidden units, C classes

    X   (m, n)  the samples, one a row         Y   (m, C)  their classes, one-hot
    W1  (n, h)  b1 (h,)  the hidden layer      W2  (h, C)  b2 (C,)  the output layer
    Z   a layer before its activation          A   after it; A2 holds the class probabilities
    L   the loss                               dQ  the gradient of L by Q, of Q's shape

Everything keeps the dtype of what it is given, float64 or float32.

Source: D. E. Rumelhart, G. E. Hinton and R. J. Williams, "Learning representations by
back-propagating errors", Nature 323 (1986).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


class Weights(NamedTuple):
    """What is learned. The same tuple holds their gradients and their velocities."""

    W1: Array  # (n, h)
    b1: Array  # (h,)
    W2: Array  # (h, C)
    b2: Array  # (C,)


# Each activation phi is followed by its derivative, written in A1 = phi(Z1): all three can be, so
# that `backward` need not keep Z1 nor compute an exponential again.


def tanh(Z1: Array) -> Array:
    """The hyperbolic tangent, element by element."""
    return np.tanh(Z1)


def tanh_prime(A1: Array) -> Array:
    """The derivative of tanh at Z1, given A1 = tanh(Z1)."""
    return 1 - A1**2


def relu(Z1: Array) -> Array:
    """The rectifier, element by element."""
    return np.maximum(Z1, 0)


def relu_prime(A1: Array) -> NDArray[np.bool_]:
    """The derivative of relu at Z1, given A1 = relu(Z1); at the kink, Z1 = 0, it is taken as 0."""
    return A1 > 0


def sigmoid(Z1: Array) -> Array:
    """The logistic function 1 / (1 + exp(-Z1)), in a form that cannot overflow."""
    return (1 + np.tanh(Z1 / 2)) / 2


def sigmoid_prime(A1: Array) -> Array:
    """The derivative of sigmoid at Z1, given A1 = sigmoid(Z1)."""
    return A1 * (1 - A1)


class Activation(NamedTuple):
    """A function of Z1 and its derivative there as a function of A1, both element by element."""

    phi: Callable[[Array], Array]
    phi_prime: Callable[[Array], NDArray[Any]]


ACTIVATIONS = {
    "tanh": Activation(tanh, tanh_prime),
    "relu": Activation(relu, relu_prime),
    "sigmoid": Activation(sigmoid, sigmoid_prime),
}


def log_softmax(Z: Array) -> Array:
    """The logarithm of softmax(Z), row by row; never overflows and never takes log(0).

    Taking the row's largest from each of its elements leaves the softmax as it is, and the
    largest exponential is then exp(0) = 1.
    """
    Z = Z - Z.max(axis=1, keepdims=True)
    log_sum: Array = np.log(np.exp(Z).sum(axis=1, keepdims=True))
    return Z - log_sum


def one_hot(labels: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Labels of shape (m,) from 0 to classes-1 as Y of shape (m, classes): a 1 in each row."""
    return np.eye(classes)[labels]


def initial(n: int, h: int, C: int, rng: np.random.Generator) -> Weights:
    """Random weights, float64, of variance one over the number of inputs; biases of zero.

    Z1 and Z2 then start with a variance near that of their inputs, where the activations are
    neither linear nor flat. Source: LeCun, Bottou, Orr and Müller, "Efficient BackProp" (1998).
    """
    return Weights(
        W1=rng.standard_normal((n, h)) / np.sqrt(n),
        b1=np.zeros(h),
        W2=rng.standard_normal((h, C)) / np.sqrt(h),
        b2=np.zeros(C),
    )


def forward(
    X: Array, W1: Array, b1: Array, W2: Array, b2: Array, phi: Callable[[Array], Array]
) -> tuple[Array, Array, Array]:
    """From the samples to the class probabilities.

    Returns:
        A1 of shape (m, h); log A2 and A2, both of shape (m, C), each row of A2 summing to 1.
    """
    Z1 = X @ W1 + b1  # (m, h)
    A1 = phi(Z1)  # (m, h)
    Z2 = A1 @ W2 + b2  # (m, C)
    log_A2 = log_softmax(Z2)  # (m, C)
    A2 = np.exp(log_A2)  # (m, C)
    return A1, log_A2, A2


def loss(log_A2: Array, Y: Array) -> float:
    """The cross-entropy, the mean over the samples: nats a sample; guessing costs log C."""
    m = len(Y)
    L = -np.sum(Y * log_A2) / m  # ()
    return float(L)


def backward(
    X: Array,
    Y: Array,
    W2: Array,
    A1: Array,
    A2: Array,
    phi_prime: Callable[[Array], NDArray[Any]],
) -> Weights:
    """The gradient of the loss by every weight: the chain rule, from the loss back to X.

    Softmax and cross-entropy are taken in one. The gradient of L by log A2 is -Y / m; log_softmax
    takes a row's log_sum from each of its elements, and A2 is the gradient of that sum, so each row
    of dZ2 is (A2 * sum(Y) - Y) / m; and a row of Y sums to 1.

    Returns:
        dW1, db1, dW2 and db2, each of its weight's shape.
    """
    m = len(X)
    dZ2 = (A2 - Y) / m  # (m, C)
    dW2 = A1.T @ dZ2  # (h, C)
    db2 = np.sum(dZ2, axis=0)  # (C,)
    dA1 = dZ2 @ W2.T  # (m, h)
    dZ1 = dA1 * phi_prime(A1)  # (m, h)
    dW1 = X.T @ dZ1  # (n, h)
    db1 = np.sum(dZ1, axis=0)  # (h,)
    return Weights(dW1, db1, dW2, db2)


def update(W: Array, V: Array, dW: Array, learning_rate: float, momentum: float) -> None:
    """One step of gradient descent with momentum, in place: W a weight, V its velocity.

    Source: Polyak, "Some methods of speeding up the convergence of iteration methods" (1964), as
    PyTorch writes it: the learning rate multiplies the velocity, not the gradient.
    """
    V[:] = momentum * V + dW
    W[:] = W - learning_rate * V


def schedule(
    m: int, batch: int, epochs: int, rng: np.random.Generator
) -> Iterator[list[NDArray[np.int64]]]:
    """For each epoch, its batches: the row numbers 0 to m-1 shuffled and cut into pieces.

    The last batch of an epoch is smaller where `batch` does not divide m.
    """
    for _ in range(epochs):
        order = rng.permutation(m)
        yield [order[start : start + batch] for start in range(0, m, batch)]


def fit(
    X: Array,
    Y: Array,
    weights: Weights,
    activation: str,
    schedule: Iterable[Sequence[NDArray[np.int64]]],
    learning_rate: float,
    momentum: float,
) -> Iterator[tuple[float, Weights]]:
    """Train the network, an epoch for each item of `schedule`.

    Args:
        X: samples of shape (m, n).
        Y: their classes, one-hot, of shape (m, C).
        weights: where to start; they are copied.
        activation: a key of ACTIVATIONS.
        schedule: for each epoch, the row numbers of each of its batches.
        learning_rate: the length of a step, in units of the gradient.
        momentum: the share of the velocity that is kept from step to step, from 0 up to below 1.

    Yields:
        After each epoch: the mean loss of its samples, each taken when its batch was trained on,
        and the weights, which the next epoch overwrites.
    """
    phi, phi_prime = ACTIVATIONS[activation]
    weights = Weights(*(W.copy() for W in weights))
    velocities = Weights(*(np.zeros_like(W) for W in weights))
    for batches in schedule:
        total = 0.0
        for rows in batches:
            X_batch, Y_batch = X[rows], Y[rows]
            A1, log_A2, A2 = forward(X_batch, *weights, phi)
            total += loss(log_A2, Y_batch) * len(rows)
            gradients = backward(X_batch, Y_batch, weights.W2, A1, A2, phi_prime)
            for W, V, dW in zip(weights, velocities, gradients, strict=True):
                update(W, V, dW, learning_rate, momentum)
        yield total / len(X), weights
