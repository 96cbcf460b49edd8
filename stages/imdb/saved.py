"""Trained networks on the disk: loadable without the pipeline, and without running any code.

A folder with

    model.json              which network, its sizes, the data, their classes, and the seeds
    words.txt               the vocabulary; the line's number, from 0, is the word's id
    seed-<n>.safetensors    the weights, one file a seed
"""

import json
from pathlib import Path
from typing import Annotated, Literal

import safetensors
import safetensors.torch
import torch
from pydantic import Field, StringConstraints
from torch import Tensor, nn

from stages.common.errors import StageError
from stages.common.files import write_json
from stages.common.params import Section
from stages.imdb.models import LSTMClassifier, MeanClassifier, Network
from stages.imdb.reviews import MOST_CLASSES, read_words

ModelName = Literal["mean", "lstm"]
Size = Annotated[int, Field(ge=1, le=1 << 31)]
ClassName = Annotated[str, StringConstraints(pattern=r"^\P{C}+$")]  # none of it steers a terminal


class Description(Section):
    """The content of `model.json`; the sizes are arguments of the network's class."""

    model: ModelName
    data: str
    classes: Annotated[list[ClassName], Field(min_length=2, max_length=MOST_CLASSES)]
    seeds: Annotated[list[int], Field(min_length=1)]
    sizes: dict[str, Size]


def build(description: Description) -> Network:
    """The network of a description, its weights not yet the trained ones."""
    if description.model == "mean":
        return MeanClassifier(**description.sizes, classes=len(description.classes))
    return LSTMClassifier(**description.sizes, classes=len(description.classes))


def save_description(description: Description, words: list[str], folder: Path) -> None:
    """Write what all seeds share into `folder`, which the caller made (see `files.atomic`)."""
    write_json(folder / "model.json", description.model_dump())
    (folder / "words.txt").write_text("".join(word + "\n" for word in words), "utf-8")


def save_weights(network: nn.Module, folder: Path, seed: int) -> None:
    """Write the weights of one seed into `folder`."""
    safetensors.torch.save_file(network.state_dict(), _weights(folder, seed))


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read a file of weights.

    Raises:
        StageError: when it is missing or damaged.
    """
    try:
        weights = safetensors.torch.load_file(path)
    except FileNotFoundError:
        raise StageError(f"{path}: no such file; train the model: dvc repro") from None
    except safetensors.SafetensorError as error:
        raise StageError(f"{path}: damaged ({error}); train again: dvc repro -f") from None
    for name, weight in weights.items():
        if weight.dtype != torch.float32 or not weight.isfinite().all():
            raise StageError(f"{path}: damaged ({name!r} is not of numbers); train: dvc repro -f")
    return weights


def describe(folder: Path) -> Description:
    """Read a model's description.

    Raises:
        StageError: when it is missing or damaged.
    """
    path = folder / "model.json"
    try:
        return Description.model_validate(json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        raise StageError(f"{path}: no such file; train the model first: dvc repro") from None
    except (ValueError, RecursionError) as error:  # a ValidationError is a ValueError
        raise StageError(
            f"{path}: damaged ({error}); train the model again: dvc repro -f"
        ) from None


def load(folder: Path, seed: int | None = None) -> tuple[Network, list[str]]:
    """Load the network of one seed, the first unless told, ready to rate; and its vocabulary.

    Raises:
        StageError: naming the file that is missing or damaged.
    """
    description = describe(folder)
    path = _weights(folder, description.seeds[0] if seed is None else seed)
    weights = load_weights(path)
    try:
        _check_sizes(description.sizes, weights)
        network = build(description)
        network.load_state_dict(weights)
        words = read_words(folder / "words.txt")
    except FileNotFoundError as error:
        raise StageError(f"{error.filename}: no such file; train the model: dvc repro") from None
    except (RuntimeError, TypeError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise StageError(f"{folder}: damaged ({reason}); train again: dvc repro -f") from None
    if len(words) != network.vocabulary:
        raise StageError(f"{folder / 'words.txt'}: {len(words)} words, not {network.vocabulary}")
    return network.eval(), words


def _check_sizes(sizes: dict[str, int], weights: dict[str, Tensor]) -> None:
    """Compare the sizes that cost memory before any is spent: a damaged one could ask for all.

    (A network on the device "meta" costs none, but its first one takes a second to make.)

    Raises:
        RuntimeError: when they differ.
    """
    vocabulary, dim = sizes.get("vocabulary", 0), sizes.get("embedding_dim", 0)
    buckets, hidden = sizes.get("buckets", 0), sizes.get("hidden", 0)
    expected = {
        "embedding.weight": (vocabulary if hidden else vocabulary + buckets, dim),
        "pairs.weight": (1 + buckets, dim) if hidden and buckets else None,
        "lstm.weight_hh_l0": (4 * hidden, hidden) if hidden else None,
    }
    for name, shape in expected.items():
        found = tuple(weights[name].shape) if name in weights else None
        if found != shape:
            raise RuntimeError(f"{name} has the shape {found}, not {shape}")


def _weights(folder: Path, seed: int) -> Path:
    return folder / f"seed-{seed}.safetensors"
