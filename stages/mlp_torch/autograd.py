"""The gradient by PyTorch's autograd: the second witness against project 1's `backward`."""

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from stages.mlp_numpy import model
from stages.mlp_numpy.differences import relative_error
from stages.mlp_numpy.model import Array, Weights, backward, forward, one_hot
from stages.mlp_torch.by_hand import ACTIVATIONS


def gradients(
    X: Array, labels: np.typing.NDArray[np.int64], weights: Weights, activation: str
) -> Weights:
    """The gradients of the loss that autograd finds, in the dtype of X; labels of shape (m,)."""
    W1, b1, W2, b2 = leaves = [torch.tensor(W, requires_grad=True) for W in weights]
    A1 = ACTIVATIONS[activation](torch.tensor(X) @ W1 + b1)
    L = cross_entropy(A1 @ W2 + b2, torch.tensor(labels))
    return Weights(*(dW.numpy() for dW in torch.autograd.grad(L, leaves)))


def gradient_error(
    X: Array, labels: np.typing.NDArray[np.int64], weights: Weights, activation: str
) -> float:
    """How far `backward` is from autograd, relative, the worst of the weights.

    Args:
        X: samples of shape (m, n), float64.
        labels: their classes, of shape (m,), int64.
        weights: where to take the gradient, float64.
        activation: a key of ACTIVATIONS.
    """
    phi, phi_prime = model.ACTIVATIONS[activation]
    A1, _, A2 = forward(X, *weights, phi)
    Y = one_hot(labels, len(weights.b2))
    ours = backward(X, Y, weights.W2, A1, A2, phi_prime)
    theirs = gradients(X, labels, weights, activation)
    return max(map(relative_error, ours, theirs))
