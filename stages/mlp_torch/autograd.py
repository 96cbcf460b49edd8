"""Check the hand-written gradients against PyTorch's autograd."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from stages.mlp_numpy import model
from stages.mlp_numpy.gradcheck import relative_error
from stages.mlp_numpy.model import Array, Weights, backward, forward, one_hot
from stages.mlp_torch.activations import ACTIVATIONS


def autograd_gradients(
    X: Array, labels: NDArray[np.int64], weights: Weights, activation: str
) -> Weights:
    """Return the gradients of the loss by autograd, in the dtype of X; labels have shape (m,)."""
    W1, b1, W2, b2 = parameters = [torch.tensor(W, requires_grad=True) for W in weights]
    A1 = ACTIVATIONS[activation].function(torch.tensor(X) @ W1 + b1)
    L = cross_entropy(A1 @ W2 + b2, torch.tensor(labels))
    return Weights(*(dW.numpy() for dW in torch.autograd.grad(L, parameters)))


def autograd_error(X: Array, labels: NDArray[np.int64], weights: Weights, activation: str) -> float:
    """Return the largest relative error of `backward`, compared with autograd.

    Args:
        X: Samples of shape (m, n), float64.
        labels: Their classes, of shape (m,), int64.
        weights: Weights at which to compute the gradient, float64.
        activation: A key of ACTIVATIONS.
    """
    phi, phi_prime = model.ACTIVATIONS[activation][:2]
    A1, _, A2 = forward(X, *weights, phi)
    Y = one_hot(labels, len(weights.b2))
    gradients = backward(X, Y, weights.W2, A1, A2, phi_prime)
    reference = autograd_gradients(X, labels, weights, activation)
    return max(map(relative_error, gradients, reference))
