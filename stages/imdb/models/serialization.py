"""Trained networks on disk. Loading one runs no code from the file.

A folder holds

    config.json             which network, the arguments of its class, the data, classes and seeds
    vocab.txt               the vocabulary; the number of the line, from 0, is the id of the word
    seed-<n>.safetensors    the weights, one file per seed; of a bidirectional model those of the
                            network that reads forwards
    seed-<n>-backward.safetensors   of the network that reads backwards
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import safetensors
import safetensors.torch
import torch
from pydantic import Field
from torch import Tensor, nn

from stages.common.errors import UserError
from stages.common.files import write_json
from stages.common.params import ParamsSection
from stages.imdb.corpus.corpus import read_vocab, write_vocab
from stages.imdb.corpus.params import ClassNames
from stages.imdb.models.classifiers import BidirectionalClassifier, Network, SequenceClassifier
from stages.imdb.models.device import CPU, get_matmul_dtype
from stages.imdb.models.registry import MODEL_LABELS, NETWORKS

TRAIN_AGAIN = "train it again with this code, or use the code that it was trained with"
Size = Annotated[int, Field(ge=1, le=1 << 31)]


class ModelConfig(ParamsSection):
    """The content of `config.json`.

    `model` is a name in the registry. `kwargs` are arguments of the network's class.
    `bidirectional`: there are two networks of this class per seed, see `BidirectionalClassifier`.
    `trained_precision` is the data type of the matrix products in the training; `precision` is that
    in predictions, where `auto` means the faster one on the processor that predicts.
    """

    model: str
    data_name: str
    classes: ClassNames
    seeds: Annotated[list[int], Field(min_length=1)]
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    trained_precision: Literal["float32", "bfloat16"] = "float32"
    kwargs: dict[str, Size]
    bidirectional: bool = False


def build_model(config: ModelConfig) -> Network:
    """Return the network of one direction that `config` describes, with initial weights."""
    network_class = NETWORKS[config.model].network_class
    network = network_class(**config.kwargs, num_classes=len(config.classes))
    if isinstance(network, SequenceClassifier):
        network.matmul_dtype = get_matmul_dtype(config.precision, CPU)
    return network


def save_config(config: ModelConfig, vocab: list[str], folder: Path) -> None:
    """Write what all seeds share into an existing folder."""
    write_json(folder / "config.json", config.model_dump())
    write_vocab(vocab, folder)


def run_name(seed: int, backward: bool = False) -> str:
    """Return the name of the training of one seed and direction, and of its files."""
    return f"seed-{seed}-backward" if backward else f"seed-{seed}"


def directions(bidirectional: bool) -> list[str]:
    """Return the directions in which networks read, also the names of their language models."""
    return ["forward", "backward"] if bidirectional else ["forward"]


def save_weights(network: nn.Module, folder: Path, name: str) -> None:
    """Write the weights of the training `name`, see `run_name`, into an existing folder."""
    safetensors.torch.save_file(network.state_dict(), folder / f"{name}.safetensors")


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
        UserError: If the file is missing or damaged, or the weights are of another network or
            another size.
    """
    weights, expected = load_weights(path), network.state_dict()
    output = {name: expected.pop(name) for name in [*expected] if name.startswith("output.")}
    if mismatch := _first_mismatch(expected, weights):
        raise UserError(
            f"{path}: does not fit {type(network).__name__}: {mismatch}; the language model has"
            " other sizes or is for another network; run dvc repro, or train without --pretrained"
        )
    network.load_state_dict(weights | output)


def model_folders(folder: Path, names: Iterable[str] = MODEL_LABELS) -> dict[str, Path]:
    """Return the subfolders of the models that there are, by name, in the order of the registry."""
    return {name: folder / name for name in names if (folder / name).is_dir()}


def load_config(folder: Path) -> ModelConfig:
    """Read the configuration of a trained model.

    Raises:
        UserError: If the file is missing or damaged, or names an unknown network.
    """
    path = folder / "config.json"
    try:
        config = ModelConfig.model_validate(json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        inside = ", ".join(str(found.parent) for found in sorted(folder.glob("*/config.json")))
        advice = f"name one of {inside}" if inside else "train the model: dvc repro"
        raise UserError(f"{path}: no such file; {advice}") from None
    except (ValueError, RecursionError) as error:  # a ValidationError is a ValueError
        raise UserError(f"{path}: damaged ({error}); train again: dvc repro -f") from None
    if config.model not in NETWORKS:
        raise UserError(
            f"{path}: the network {config.model!r} is unknown; known are {', '.join(NETWORKS)};"
            " use the code that it was trained with, or add it to stages/imdb/models/registry.py"
        )
    return config


def load_model(folder: Path, seed: int | None = None) -> tuple[Network, list[str]]:
    """Load the network of one seed in evaluation mode, and its vocabulary.

    Args:
        folder: A folder as described above.
        seed: Default: the first seed.

    Raises:
        UserError: If a file is missing or damaged, or the weights do not fit the class. The message
            names the file.
    """
    config = load_config(folder)
    seed = config.seeds[0] if seed is None else seed
    network = _load_network(folder, config, run_name(seed))
    if config.bidirectional:
        backwards = _load_network(folder, config, run_name(seed, backward=True))
        assert isinstance(network, SequenceClassifier)  # noqa: S101
        assert isinstance(backwards, SequenceClassifier)  # noqa: S101
        network = BidirectionalClassifier(network, backwards)
    try:
        vocab = read_vocab(folder / "vocab.txt")
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: no such file; train the model: dvc repro") from None
    except ValueError as error:
        raise UserError(
            f"{folder / 'vocab.txt'}: damaged ({error}); train again: dvc repro -f"
        ) from None
    if len(vocab) != network.vocab_size:
        raise UserError(
            f"{folder / 'vocab.txt'}: {len(vocab)} words, expected {network.vocab_size};"
            " train again: dvc repro -f"
        )
    return network.eval(), vocab


def _load_network(folder: Path, config: ModelConfig, name: str) -> Network:
    """Load the network of one seed and direction."""
    path = folder / f"{name}.safetensors"
    weights = load_weights(path)
    class_name = NETWORKS[config.model].network_class.__name__
    try:
        network = build_model(config)
    except (RuntimeError, TypeError) as error:
        raise UserError(
            f"{folder / 'config.json'}: {class_name} cannot have the arguments {config.kwargs}"
            f" ({str(error).splitlines()[0]}); {TRAIN_AGAIN}"
        ) from None
    if mismatch := _first_mismatch(network.state_dict(), weights):
        raise UserError(
            f"{path}: does not fit {class_name} with the sizes of config.json: {mismatch}; the"
            f" weights are of another version of the class or of other sizes: {TRAIN_AGAIN}"
        )
    network.load_state_dict(weights)
    return network


def _first_mismatch(expected: dict[str, Tensor], weights: dict[str, Tensor]) -> str:
    """Describe the first weight, by name, that is missing, unexpected or of another shape.

    Args:
        expected: Weights of a network.
        weights: Weights of a file.

    Returns:
        The difference, with both shapes; empty if all weights fit.
    """
    for name in sorted({*expected, *weights}):
        found, wanted = (tuple(w[name].shape) if name in w else None for w in (weights, expected))
        if found is None:
            return f"the weight {name!r} is missing, expected the shape {wanted}"
        if found != wanted:
            expected_shape = "no such weight" if wanted is None else wanted
            return f"the weight {name!r} has the shape {found}, expected {expected_shape}"
    return ""
