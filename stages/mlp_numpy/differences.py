"""The gradient by differences of the loss: slow, plain, and a witness against `backward`."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stages.mlp_numpy.model import (
    ACTIVATIONS,
    Array,
    Weights,
    backward,
    forward,
    loss,
)

# The seven-point stencil below errs by about STEP**6 / 140 in truncation and by 1e-16 / STEP in
# rounding; 5e-3 makes both 1e-13 or less. The usual two points, at their best, stay near 1e-10,
# which is not 7 digits of a gradient that is small beside the loss.
STEP = 5e-3


def differentiate(f: Callable[[], float], W: Array, entry: tuple[int, ...]) -> float:
    """The derivative of f by one entry of W, which f reads; W is put back as it was.

    Source: the central stencil of sixth order, Fornberg, "Generation of finite difference formulas
    on arbitrarily spaced grids", Mathematics of Computation 51 (1988), table 1.
    """
    kept = W[entry]

    def at(steps: int) -> float:
        W[entry] = kept + steps * STEP
        return f()

    derivative = (45 * (at(1) - at(-1)) - 9 * (at(2) - at(-2)) + (at(3) - at(-3))) / (60 * STEP)
    W[entry] = kept
    return derivative


def away_from_kinks(X: Array, weights: Weights) -> NDArray[np.bool_]:
    """Which samples have no Z1 so near 0 that a difference would step over ReLU's kink.

    At the kink there is no derivative, and across it the difference measures something else.

    Returns:
        A mask of shape (m,).
    """
    Z1 = X @ weights.W1 + weights.b1  # (m, h)
    reach = 3 * STEP * np.maximum(1, np.abs(X).max(axis=1, keepdims=True))  # (m, 1)
    clear: NDArray[np.bool_] = np.all(np.abs(Z1) > 1.01 * reach, axis=1)
    return clear


def relative_error(gradient: Array, witness: Array) -> float:
    """The largest difference over the largest entry of either; 0 where both are 0."""
    scale = max(np.abs(gradient).max(), np.abs(witness).max())
    return float(np.abs(gradient - witness).max() / scale) if scale > 0 else 0.0


def digits(error: float) -> int:
    """How many decimal digits agree, given a relative error; float64 has no more than 15.

    A whole number, for the error itself is an accident of the machine, and dvc exp show would
    round it to 0.
    """
    return 15 if error <= 1e-15 else max(0, math.floor(-math.log10(error)))


def gradient_error(
    X: Array,
    Y: Array,
    weights: Weights,
    activation: str,
    entries: int = 100,
    seed: int = 0,
) -> float:
    """How far `backward` is from the differences of the loss, relative, the worst of the weights.

    Args:
        X: samples of shape (m, n), float64; with ReLU, those too near a kink are left out.
        Y: their classes, one-hot, of shape (m, C).
        weights: where to take the gradient, float64.
        activation: a key of ACTIVATIONS.
        entries: how many entries of each weight to try at most, so that a large network ends.
        seed: of the choice of entries.

    Raises:
        ValueError: when with ReLU no sample is left.
    """
    phi, phi_prime = ACTIVATIONS[activation]
    if activation == "relu":
        smooth = away_from_kinks(X, weights)
        X, Y = X[smooth], Y[smooth]
    if len(X) == 0:
        raise ValueError("every sample is too near a kink of ReLU")
    weights = Weights(*(W.copy() for W in weights))

    def the_loss() -> float:
        return loss(forward(X, *weights, phi)[1], Y)

    A1, _, A2 = forward(X, *weights, phi)
    gradients = backward(X, Y, weights.W2, A1, A2, phi_prime)
    rng = np.random.default_rng(seed)
    errors = []
    for W, dW in zip(weights, gradients, strict=True):
        chosen = rng.choice(W.size, size=min(entries, W.size), replace=False)
        places = [tuple(map(int, np.unravel_index(index, W.shape))) for index in chosen]
        witness = np.array([differentiate(the_loss, W, place) for place in places])
        errors.append(relative_error(np.array([dW[place] for place in places]), witness))
    return max(errors)
