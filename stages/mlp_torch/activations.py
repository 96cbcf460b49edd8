"""The activations of project 1 in PyTorch: as functions and as layers."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Activation(NamedTuple):
    """One activation in both forms."""

    function: Callable[[Tensor], Tensor]  # used by by_hand.py
    layer: Callable[[], nn.Module]  # used by sequential.py and module.py


# The keys are those of ACTIVATIONS in mlp_numpy/model.py.
ACTIVATIONS = {
    "tanh": Activation(torch.tanh, nn.Tanh),
    "relu": Activation(torch.relu, nn.ReLU),
    "sigmoid": Activation(torch.sigmoid, nn.Sigmoid),
}
