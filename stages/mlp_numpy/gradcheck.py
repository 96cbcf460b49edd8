"""Check the hand-written gradients against numerical derivatives of the loss."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stages.mlp_numpy.model import ACTIVATIONS, Array, Weights, backward, forward, loss

# Step of the seven-point stencil below. Its truncation error is EPS**6 / 140 = 1e-16 times the
# seventh derivative, and its rounding error about 1e-16 / EPS = 2e-14. The error of the usual
# two-point difference is at best 1e-11.
EPS = 5e-3
MAX_CHECKS = 100  # elements checked per weight; limits the time for large weights


def numerical_derivative(f: Callable[[], float], W: Array, index: tuple[int, ...]) -> float:
    """Return the derivative of `f` with respect to W[index].

    Source: the central stencil of sixth order in Fornberg, "Generation of finite difference
    formulas on arbitrarily spaced grids", Mathematics of Computation 51 (1988), table 1.

    Args:
        f: Function that reads W.
        W: Array that is changed in place and restored.
        index: Index of the element.
    """
    original = W[index]

    def at(steps: int) -> float:
        W[index] = original + steps * EPS
        return f()

    derivative = (45 * (at(1) - at(-1)) - 9 * (at(2) - at(-2)) + (at(3) - at(-3))) / (60 * EPS)
    W[index] = original
    return derivative


def away_from_kinks(X: Array, weights: Weights) -> NDArray[np.bool_]:
    """Return a mask of shape (m,): True for samples whose Z1 are all far enough from 0.

    ReLU has a kink at 0. A stencil that reaches across the kink does not measure the derivative.
    """
    Z1 = X @ weights.W1 + weights.b1  # (m, h)
    reach = 3 * EPS * np.maximum(1, np.abs(X).max(axis=1, keepdims=True))  # (m, 1)
    mask: NDArray[np.bool_] = np.all(np.abs(Z1) > 1.01 * reach, axis=1)
    return mask


def relative_error(gradient: Array, reference: Array) -> float:
    """Return the largest difference relative to the largest element of either; 0 if both are 0."""
    scale = max(np.abs(gradient).max(), np.abs(reference).max())
    return float(np.abs(gradient - reference).max() / scale) if scale > 0 else 0.0


def matching_digits(error: float) -> int:
    """Return the number of matching decimal digits for a relative error, at most 15 (float64).

    The number is 0 if the error is not finite. The metrics contain this integer because the error
    itself depends on the processor, and because `dvc exp show` would round it to 0.
    """
    if not math.isfinite(error):
        return 0
    return 15 if error <= 1e-15 else max(0, math.floor(-math.log10(error)))


def gradcheck_error(X: Array, Y: Array, weights: Weights, activation: str) -> float:
    """Return the largest relative error of `backward`, compared with numerical derivatives.

    Args:
        X: Samples of shape (m, n), float64. Those too near a kink are left out.
        Y: Their classes, one-hot, of shape (m, C).
        weights: Weights at which to compute the gradient, float64.
        activation: A key of ACTIVATIONS.

    Raises:
        ValueError: If no sample is left.
    """
    phi, phi_prime, kink = ACTIVATIONS[activation][:3]
    if kink:
        mask = away_from_kinks(X, weights)
        X, Y = X[mask], Y[mask]
    if len(X) == 0:
        raise ValueError("every sample is too near a kink of the activation")
    weights = Weights(*(W.copy() for W in weights))

    def compute_loss() -> float:
        return loss(forward(X, *weights, phi)[1], Y)

    A1, _, A2 = forward(X, *weights, phi)
    gradients = backward(X, Y, weights.W2, A1, A2, phi_prime)
    rng = np.random.default_rng(0)
    errors = []
    for W, dW in zip(weights, gradients, strict=True):
        chosen = rng.choice(W.size, size=min(MAX_CHECKS, W.size), replace=False)
        indices = [tuple(map(int, np.unravel_index(i, W.shape))) for i in chosen]
        reference = np.array([numerical_derivative(compute_loss, W, index) for index in indices])
        errors.append(relative_error(np.array([dW[index] for index in indices]), reference))
    return max(errors)
