"""A multi-layer perceptron with one hidden layer and a backward pass written by hand.

The lines of `forward`, `loss`, `backward` and `update` are the equations in plots/1-BP1.png and
plots/1-BP2.png, which are typeset from this code (see mlp_figures/equations.py). The symbols:

    m samples in the batch, n coordinates per sample, h hidden units, C classes

    X   (m, n)  samples, one per row           Y   (m, C)  their classes, one-hot
    W1  (n, h)  b1 (h,)  hidden layer          W2  (h, C)  b2 (C,)  output layer
    Z   a layer before its activation          A   after it; A2 holds the class probabilities
    L   the loss, the mean over the batch      dQ  the gradient dL/dQ, with the shape of Q

The computation keeps the dtype of its inputs, float64 or float32.

Source: D. E. Rumelhart, G. E. Hinton and R. J. Williams, "Learning representations by
back-propagating errors", Nature 323 (1986).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


class Weights(NamedTuple):
    """The weights and biases. The same tuple also holds their gradients or their velocities."""

    W1: Array  # (n, h)
    b1: Array  # (h,)
    W2: Array  # (h, C)
    b2: Array  # (C,)


# The derivative of each activation phi is a function of A1 = phi(Z1). So `backward` needs neither
# Z1 nor another exponential.


def tanh(Z1: Array) -> Array:
    """Return the hyperbolic tangent, element by element."""
    return np.tanh(Z1)


def tanh_prime(A1: Array) -> Array:
    """Return the derivative of tanh at Z1, given A1 = tanh(Z1)."""
    return 1 - A1**2


def relu(Z1: Array) -> Array:
    """Return the rectified linear unit max(Z1, 0), element by element."""
    return np.maximum(Z1, 0)


def relu_prime(A1: Array) -> NDArray[np.bool_]:
    """Return the derivative of relu at Z1, given A1 = relu(Z1); 0 at the kink, Z1 = 0."""
    return A1 > 0


def sigmoid(Z1: Array) -> Array:
    """Return the logistic function 1 / (1 + exp(-Z1)), in a form that cannot overflow."""
    return (1 + np.tanh(Z1 / 2)) / 2


def sigmoid_prime(A1: Array) -> Array:
    """Return the derivative of sigmoid at Z1, given A1 = sigmoid(Z1)."""
    return A1 * (1 - A1)


class Activation(NamedTuple):
    """An activation, elementwise, with what the gradient check and the equation sheets need."""

    phi: Callable[[Array], Array]  # function of Z1
    phi_prime: Callable[[Array], NDArray[Any]]  # its derivative at Z1, as a function of A1
    kink: bool = False  # no derivative at Z1 = 0
    # LaTeX of phi(Z1) and phi_prime(A1). Empty: typeset from the code. Otherwise this form is
    # shown, and next to it that of the code, if equations.py can typeset the code.
    latex: str = ""
    prime_latex: str = ""


# To add an activation, add it here and, for project 2, to mlp_torch/activations.py.
ACTIVATIONS = {
    "tanh": Activation(tanh, tanh_prime),
    "relu": Activation(relu, relu_prime, kink=True),
    "sigmoid": Activation(sigmoid, sigmoid_prime, latex=r"\frac{1}{1 + e^{-Z_1}}"),
}


def log_softmax(Z: Array) -> Array:
    """Return the logarithm of the softmax of each row, without overflow or log(0).

    Subtracting the maximum of a row from its elements does not change the softmax. The largest
    exponential is then exp(0) = 1.
    """
    Z = Z - Z.max(axis=1, keepdims=True)
    log_sum: Array = np.log(np.exp(Z).sum(axis=1, keepdims=True))
    return Z - log_sum


def one_hot(labels: NDArray[np.int64], C: int) -> NDArray[np.float64]:
    """Return Y of shape (m, C) for labels of shape (m,): row i has a 1 in column labels[i]."""
    return np.eye(C)[labels]


def init_weights(n: int, h: int, C: int, rng: np.random.Generator) -> Weights:
    """Return random weights with variance 1 / number of inputs, and zero biases, all float64.

    Over the random weights, the variance of Z1 and Z2 is then the mean square of their inputs, of
    order 1, where the activations are neither linear nor flat. Source: LeCun, Bottou, Orr and
    Müller, "Efficient BackProp" (1998).
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
    """Compute the class probabilities of the samples.

    Returns:
        A1 of shape (m, h); log A2 and A2, both of shape (m, C). Each row of A2 sums to 1.
    """
    Z1 = X @ W1 + b1  # (m, h)
    A1 = phi(Z1)  # (m, h)
    Z2 = A1 @ W2 + b2  # (m, C)
    log_A2 = log_softmax(Z2)  # (m, C)
    A2 = np.exp(log_A2)  # (m, C)
    return A1, log_A2, A2


def loss(log_A2: Array, Y: Array) -> float:
    """Return the mean cross-entropy in nats per sample; equal probabilities give log C."""
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
    """Compute the gradient of the loss with respect to every weight, from the last to the first.

    The first line covers log_softmax and the loss together. dL/d(log A2) is -Y / m. log_softmax
    subtracts log_sum from each element of a row, and the gradient of log_sum is that row of A2. So
    a row of dZ2 is (A2 * sum(Y) - Y) / m, where sum(Y) = 1 because a row of Y is one-hot.

    Each line after it applies the chain rule to one line of `forward`: dW2, db2 and dA1 to
    Z2 = A1 @ W2 + b2; dZ1 to A1 = phi(Z1); dW1 and db1 to Z1 = X @ W1 + b1.

    Returns:
        dW1, db1, dW2 and db2, each with the shape of its weight.
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
    """Take one step of gradient descent with momentum, in place: W is a weight, V its velocity.

    Source: Polyak, "Some methods of speeding up the convergence of iteration methods" (1964), in
    PyTorch's form: the learning rate multiplies the velocity, not the gradient.
    """
    V[:] = momentum * V + dW
    W[:] = W - learning_rate * V


def minibatches(
    m: int, batch_size: int, epochs: int, rng: np.random.Generator
) -> Iterator[list[NDArray[np.int64]]]:
    """Yield the batches of each epoch: the indices 0 to m - 1, shuffled and split.

    The last batch of an epoch is smaller if `batch_size` does not divide m.
    """
    for _ in range(epochs):
        order = rng.permutation(m)
        yield [order[start : start + batch_size] for start in range(0, m, batch_size)]


def fit(
    X: Array,
    Y: Array,
    weights: Weights,
    activation: str,
    epoch_batches: Iterable[Sequence[NDArray[np.int64]]],
    learning_rate: float,
    momentum: float,
) -> Iterator[tuple[float, Weights]]:
    """Train the network, one epoch for each item of `epoch_batches`.

    Args:
        X: Samples of shape (m, n).
        Y: Their classes, one-hot, of shape (m, C).
        weights: Initial weights, which are copied.
        activation: A key of ACTIVATIONS.
        epoch_batches: For each epoch, the sample indices of each batch.
        learning_rate: Factor of the velocity in each step.
        momentum: Fraction of the velocity that is kept from step to step, at least 0, below 1.

    Yields:
        After each epoch: the mean loss of its samples, each computed just before the step that used
        it, and the weights, which the next epoch overwrites.
    """
    phi, phi_prime = ACTIVATIONS[activation][:2]
    weights = Weights(*(W.copy() for W in weights))
    velocities = Weights(*(np.zeros_like(W) for W in weights))
    for batches in epoch_batches:
        total_loss = 0.0
        for indices in batches:
            X_batch, Y_batch = X[indices], Y[indices]
            A1, log_A2, A2 = forward(X_batch, *weights, phi)
            total_loss += loss(log_A2, Y_batch) * len(indices)
            gradients = backward(X_batch, Y_batch, weights.W2, A1, A2, phi_prime)
            for W, V, dW in zip(weights, velocities, gradients, strict=True):
                update(W, V, dW, learning_rate, momentum)
        yield total_loss / len(X), weights
