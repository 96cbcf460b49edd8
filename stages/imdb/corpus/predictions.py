"""The predictions of a model for the reviews of one split, as stages exchange them."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import safetensors
from safetensors.numpy import save_file

from stages.common.errors import UserError
from stages.common.files import atomic_write
from stages.imdb.corpus.corpus import load_corpus

if TYPE_CHECKING:
    import pandas as pd  # slow to import, and predicting a text does not need it


@dataclass(frozen=True)
class Predictions:
    """Predicted probabilities for the reviews of one split, in the order of the corpus.

    Attributes:
        model: Name of the model (linear, mean, lstm) or of the ensemble.
        data_name: Name of the data set.
        classes: Names of the classes.
        num_parameters: Number of trained parameters.
        seeds: Random seeds of the trainings.
        precision: Data type of the matrix products in the training; of the linear model, of its
            coefficients.
        probabilities: float32 [seeds, reviews, classes].
    """

    model: str
    data_name: str
    classes: list[str]
    num_parameters: int
    seeds: list[int]
    precision: str
    probabilities: npt.NDArray[np.float32]


def save_predictions(predictions: Predictions, path: Path) -> None:
    """Write a safetensors file with the probabilities; its metadata hold the other fields."""
    metadata = asdict(predictions)
    probabilities = metadata.pop("probabilities")
    # A single JSON entry, because safetensors writes several entries in random order.
    with atomic_write(path) as temporary:
        save_file({"probabilities": probabilities}, temporary, {"metadata": json.dumps(metadata)})


def load_predictions(path: Path) -> Predictions:
    """Read a file that `save_predictions` wrote.

    Raises:
        UserError: If the file is missing or damaged.
    """
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = json.loads(file.metadata()["metadata"])
            return Predictions(**metadata, probabilities=file.get_tensor("probabilities"))
    except (
        FileNotFoundError,
        safetensors.SafetensorError,
        KeyError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise UserError(f"{path}: not a file of predictions ({error}); run dvc repro") from None


def load_test_metadata(corpus_folder: Path, predictions: Predictions) -> "pd.DataFrame":
    """Return the metadata of the test reviews, with their number of tokens as the column `words`.

    Raises:
        UserError: If the number of test reviews is not the number of predictions.
    """
    corpus = load_corpus(corpus_folder)
    metadata = corpus.metadata.assign(words=corpus.lengths)
    metadata = metadata[metadata["split"] == "test"].reset_index(drop=True)
    num_predicted = predictions.probabilities.shape[1]
    if len(metadata) != num_predicted:
        raise UserError(
            f"{corpus_folder}: {len(metadata):,} test reviews, but {num_predicted:,} predictions of"
            f" {predictions.model}; run dvc repro"
        )
    return metadata
