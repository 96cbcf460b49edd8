"""The ratings of reviews by one model, as its stage hands them to the next."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import safetensors
from safetensors.numpy import save_file

from stages.common.errors import StageError
from stages.common.files import atomic
from stages.imdb.reviews import load as load_reviews

if TYPE_CHECKING:
    import pandas as pd  # slow to import, and who rates a text needs none of it


@dataclass(frozen=True)
class Predictions:
    """What a model says of the reviews of a split, the test's mostly, in the order of the index.

    Attributes:
        model: its name (linear, mean, lstm), or of several that vote.
        data: the name of the data.
        classes: their names.
        parameters: how many numbers were trained.
        seeds: the seeds it was trained from.
        probabilities: float32 [seeds × reviews × classes].
    """

    model: str
    data: str
    classes: list[str]
    parameters: int
    seeds: list[int]
    probabilities: npt.NDArray[np.float32]


def write(predictions: Predictions, path: Path) -> None:
    """Write a safetensors file with the probabilities, the rest in its metadata."""
    about = asdict(predictions)
    probabilities = about.pop("probabilities")
    # One entry: safetensors writes several in another order each time.
    with atomic(path) as temporary:
        save_file({"probabilities": probabilities}, temporary, {"about": json.dumps(about)})


def read(path: Path) -> Predictions:
    """Read what `write` wrote.

    Raises:
        StageError: when the file is missing or damaged.
    """
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            about = json.loads(file.metadata()["about"])
            return Predictions(**about, probabilities=file.get_tensor("probabilities"))
    except (
        FileNotFoundError,
        safetensors.SafetensorError,
        KeyError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise StageError(f"{path}: not a file of predictions ({error}); run dvc repro") from None


def test_index(reviews: Path, predictions: Predictions) -> "pd.DataFrame":
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
