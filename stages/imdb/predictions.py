"""The ratings of the test reviews by one model, as its stage hands them to the evaluation."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import safetensors
from safetensors.numpy import save_file

from stages.common.errors import StageError
from stages.common.files import atomic
from stages.imdb.reviews import load as load_reviews


@dataclass(frozen=True)
class Predictions:
    """What a model says of the test reviews, in the order of the reviews' index.

    Attributes:
        model: its name (linear, mean, lstm).
        data: the name of the data.
        parameters: how many numbers were trained.
        seeds: the seeds it was trained from.
        probabilities: of "good", float32 [seeds, reviews].
    """

    model: str
    data: str
    parameters: int
    seeds: list[int]
    probabilities: npt.NDArray[np.float32]


def write(predictions: Predictions, path: Path) -> None:
    """Write a safetensors file with the probabilities, the rest in its metadata."""
    metadata = {
        "model": predictions.model,
        "data": predictions.data,
        "parameters": str(predictions.parameters),
        "seeds": " ".join(map(str, predictions.seeds)),
    }
    with atomic(path) as temporary:
        save_file({"probabilities": predictions.probabilities}, temporary, metadata)


def read(path: Path) -> Predictions:
    """Read what `write` wrote.

    Raises:
        StageError: when the file is missing or damaged.
    """
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata()
            return Predictions(
                model=metadata["model"],
                data=metadata["data"],
                parameters=int(metadata["parameters"]),
                seeds=[int(seed) for seed in metadata["seeds"].split()],
                probabilities=file.get_tensor("probabilities"),
            )
    except (FileNotFoundError, safetensors.SafetensorError, KeyError, TypeError) as error:
        raise StageError(f"{path}: not a file of predictions ({error}); run dvc repro") from None


def test_index(reviews: Path, predictions: Predictions) -> pd.DataFrame:
    """The rows of the reviews' index that the predictions are about, with the column `words`.

    Raises:
        StageError: when there are not as many test reviews as predictions.
    """
    loaded = load_reviews(reviews)
    index = loaded.index.assign(words=loaded.lengths)
    index = index[index["split"] == "test"].reset_index(drop=True)
    if len(index) != predictions.probabilities.shape[1]:
        raise StageError(
            f"{reviews}: {len(index)} test reviews, but {predictions.probabilities.shape[1]}"
            f" predictions of {predictions.model}; run dvc repro"
        )
    return index
