"""Trained networks on disk. Loading one runs no code from the file.

A folder holds

    config.json             which network, the arguments of its class, the data, classes and seeds
    vocab.txt               the vocabulary; the number of the line, from 0, is the id of the word
    seed-<n>.safetensors    the weights, one file per seed
"""

import json
from pathlib import Path
from typing import Annotated, Literal

import safetensors
import safetensors.torch
import torch
from pydantic import Field, StringConstraints
from torch import Tensor, nn

from stages.common.errors import UserError
from stages.common.files import write_json
from stages.common.params import ParamsSection
from stages.imdb.corpus.corpus import MAX_CLASSES, read_vocab, write_vocab
from stages.imdb.models.classifiers import LSTMClassifier, MeanEmbeddingClassifier, Network
from stages.imdb.models.device import CPU, get_matmul_dtype

ModelName = Literal["mean", "lstm"]
Size = Annotated[int, Field(ge=1, le=1 << 31)]
ClassName = Annotated[str, StringConstraints(pattern=r"^\P{C}+$")]  # no terminal control characters


class ModelConfig(ParamsSection):
    """The content of `config.json`. `kwargs` are arguments of the network's class."""

    model: ModelName
    data_name: str
    classes: Annotated[list[ClassName], Field(min_length=2, max_length=MAX_CLASSES)]
    seeds: Annotated[list[int], Field(min_length=1)]
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # of the matrix products
    kwargs: dict[str, Size]


CLASSES: dict[ModelName, type[Network]] = {"mean": MeanEmbeddingClassifier, "lstm": LSTMClassifier}


def build_model(config: ModelConfig) -> Network:
    """Return the network that `config` describes, with initial weights."""
    network = CLASSES[config.model](**config.kwargs, num_classes=len(config.classes))
    if isinstance(network, LSTMClassifier):
        network.matmul_dtype = get_matmul_dtype(config.precision, CPU)
    return network


def save_config(config: ModelConfig, vocab: list[str], folder: Path) -> None:
    """Write what all seeds share into an existing folder."""
    write_json(folder / "config.json", config.model_dump())
    write_vocab(vocab, folder)


def save_weights(network: nn.Module, folder: Path, seed: int) -> None:
    """Write the weights of one seed into an existing folder."""
    safetensors.torch.save_file(network.state_dict(), _weights_path(folder, seed))


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read a file of weights.

    Raises:
        UserError: If the file is missing or damaged.
    """
    try:
        weights = safetensors.torch.load_file(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; train the model: dvc repro") from None
    except safetensors.SafetensorError as error:
        raise UserError(f"{path}: damaged ({error}); train again: dvc repro -f") from None
    for name, weight in weights.items():
        if weight.dtype != torch.float32 or not weight.isfinite().all():
            raise UserError(
                f"{path}: damaged ({name!r} is not finite float32); train again: dvc repro -f"
            )
    return weights


def load_pretrained(network: Network, path: Path) -> None:
    """Load the weights of a language model; the output layer keeps its initial weights.

    Raises:
        UserError: If the weights are of another network or another size.
    """
    try:
        missing, unexpected = network.load_state_dict(load_weights(path), strict=False)
    except RuntimeError as error:
        raise UserError(f"{path}: {str(error).splitlines()[-1].strip()}; run dvc repro") from None
    if other := [*unexpected, *(name for name in missing if not name.startswith("output."))]:
        raise UserError(f"{path}: weights of another network ({other[0]}); run dvc repro")


def load_config(folder: Path) -> ModelConfig:
    """Read the configuration of a trained model.

    Raises:
        UserError: If the file is missing or damaged.
    """
    path = folder / "config.json"
    try:
        return ModelConfig.model_validate(json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; train the model: dvc repro") from None
    except (ValueError, RecursionError) as error:  # a ValidationError is a ValueError
        raise UserError(f"{path}: damaged ({error}); train again: dvc repro -f") from None


def load_model(folder: Path, seed: int | None = None) -> tuple[Network, list[str]]:
    """Load the network of one seed in evaluation mode, and its vocabulary.

    Args:
        folder: A folder as described above.
        seed: Default: the first seed.

    Raises:
        UserError: If a file is missing or damaged. The message names the file.
    """
    config = load_config(folder)
    path = _weights_path(folder, config.seeds[0] if seed is None else seed)
    weights = load_weights(path)
    try:
        _check_sizes(config.kwargs, weights)
        network = build_model(config)
        _check_shapes(network, weights)
        network.load_state_dict(weights)
        vocab = read_vocab(folder / "vocab.txt")
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: no such file; train the model: dvc repro") from None
    except (RuntimeError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{folder}: damaged ({reason}); train again: dvc repro -f") from None
    if len(vocab) != network.vocab_size:
        raise UserError(
            f"{folder / 'vocab.txt'}: {len(vocab)} words, expected {network.vocab_size};"
            " train again: dvc repro -f"
        )
    return network.eval(), vocab


def _check_sizes(kwargs: dict[str, int], weights: dict[str, Tensor]) -> None:
    """Check that the network does not need more memory than its weights, before it is built.

    Raises:
        RuntimeError: If a size is not that of a weight.
    """
    shapes = [weight.shape for weight in weights.values() if weight.ndim == 2]
    max_rows, columns = max(shape[0] for shape in shapes), {shape[1] for shape in shapes}
    for name, size in kwargs.items():
        is_rows = name in ("vocab_size", "num_buckets")
        if size > max_rows if is_rows else size not in columns:
            raise RuntimeError(f"no weight has the size {name} = {size} of config.json")


def _check_shapes(network: Network, weights: dict[str, Tensor]) -> None:
    """Compare the shapes of a network's weights with those of a file.

    Raises:
        RuntimeError: If they differ.
    """
    expected = network.state_dict()
    for name in sorted({*expected, *weights}):
        found, wanted = (tuple(w[name].shape) if name in w else None for w in (weights, expected))
        if found != wanted:
            raise RuntimeError(f"{name} has the shape {found}, expected {wanted}")


def _weights_path(folder: Path, seed: int) -> Path:
    return folder / f"seed-{seed}.safetensors"
