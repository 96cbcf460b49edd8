"""Read and write weights as safetensors: plain arrays, so reading a file cannot run code."""

from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from stages.common.errors import UserError
from stages.common.files import atomic_write
from stages.mlp_numpy.model import ACTIVATIONS, Weights


def save_weights(path: Path, weights: Weights, activation: str) -> None:
    """Write W1, b1, W2 and b2 under these names, and the activation as metadata."""
    arrays = {name: np.ascontiguousarray(W) for name, W in weights._asdict().items()}
    with atomic_write(path) as temporary:
        save_file(arrays, temporary, metadata={"activation": activation})


def load_weights(path: Path) -> tuple[Weights, str]:
    """Read the file that `save_weights` wrote.

    Returns:
        The weights and the name of the activation.

    Raises:
        UserError: If the file is missing or has other contents.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; train the network first (dvc repro)")
    try:
        with safe_open(path, framework="numpy") as file:
            weights = Weights(*(file.get_tensor(name) for name in Weights._fields))
            activation = (file.metadata() or {}).get("activation")
    except SafetensorError as error:
        raise UserError(f"{path}: not the weights of a perceptron: {error}") from None
    if activation not in ACTIVATIONS:
        raise UserError(
            f"{path}: unknown activation {activation!r}; expected one of {', '.join(ACTIVATIONS)}"
        )
    return weights, activation
