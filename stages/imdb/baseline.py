"""Stage: what a linear model does in seconds, TF-IDF and logistic regression of scikit-learn."""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from stages.common import params
from stages.common.errors import StageError, run
from stages.common.progress import say
from stages.imdb.params import Imdb, Linear
from stages.imdb.predictions import Predictions, write
from stages.imdb.reviews import data_name
from stages.imdb.tokenize import tokenize


def linear_model(settings: Linear) -> Pipeline:
    """TF-IDF of all n-grams up to `settings.ngrams` words, then logistic regression."""
    return make_pipeline(
        TfidfVectorizer(
            tokenizer=tokenize,
            token_pattern=None,
            lowercase=False,  # tokenize does it
            ngram_range=(1, settings.ngrams),
            min_df=settings.min_reviews,
            sublinear_tf=True,
            dtype=np.float32,
        ),
        LogisticRegression(C=settings.C, max_iter=1_000),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--reviews", type=Path, required=True)
    parser.add_argument("--predictions", type=Path, required=True)
    args = parser.parse_args()
    settings = params.load(args.params, "imdb", Imdb)

    try:
        table = pq.read_table(args.reviews, filters=[("label", ">=", 0)])
    except (pa.ArrowException, FileNotFoundError) as error:
        raise StageError(f"{args.reviews}: not a table of reviews ({error})") from None
    reviews: pd.DataFrame = table.to_pandas()
    train = reviews[reviews["split"] == "train"]
    test = reviews[reviews["split"] == "test"]

    say(f"linear: TF-IDF and logistic regression on {len(train):,} reviews")
    model = linear_model(settings.linear).fit(train["text"], train["label"])
    good = model.predict_proba(test["text"])[:, 1]
    write(
        Predictions(
            model="linear",
            data=data_name(table.schema),
            parameters=model[-1].coef_.size + 1,
            seeds=[0],
            probabilities=good[None].astype(np.float32),
        ),
        args.predictions,
    )


if __name__ == "__main__":
    run(main)
