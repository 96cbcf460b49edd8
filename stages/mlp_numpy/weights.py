"""Weights in a safetensors file: plain arrays, nothing that runs when it is read."""

from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from stages.common.errors import StageError
from stages.common.files import atomic
from stages.mlp_numpy.model import ACTIVATIONS, Weights


def save(path: Path, weights: Weights, activation: str) -> None:
    """Write W1, b1, W2 and b2 under these names, with the activation they were trained for."""
    arrays = {name: np.ascontiguousarray(W) for name, W in weights._asdict().items()}
    with atomic(path) as temporary:
        save_file(arrays, temporary, metadata={"activation": activation})


def load(path: Path) -> tuple[Weights, str]:
    """Read what `save` wrote: the weights and the name of the activation.

    Raises:
        StageError: if the file is missing or is not such a file.
    """
    if not path.is_file():
        raise StageError(f"{path}: no such file; train the network first (dvc repro)")
    try:
        with safe_open(path, framework="numpy") as file:
            weights = Weights(*(file.get_tensor(name) for name in Weights._fields))
            activation = (file.metadata() or {}).get("activation")
    except SafetensorError as error:
        raise StageError(f"{path}: not the weights of such a network: {error}") from None
    if activation not in ACTIVATIONS:
        raise StageError(f"{path}: unknown activation {activation!r} in the metadata")
    return weights, activation
