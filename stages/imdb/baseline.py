"""Stage: what a linear model does in seconds, on words and pairs of words.

It rates the unlabelled reviews too, for the networks to learn from.
"""

import argparse
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.linalg import cholesky
from scipy.sparse import csr_matrix, diags
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from threadpoolctl import threadpool_limits

from stages.common import params
from stages.common.errors import StageError, run
from stages.common.memory import OPENBLAS, must_be_free
from stages.common.progress import say
from stages.imdb.params import Imdb, Linear
from stages.imdb.predictions import Predictions, write
from stages.imdb.reviews import Indices, classes_of, data_name, split_by_film
from stages.imdb.tokenizer import tokenize

ROWS = 5_000  # whose texts are in memory at a time


def reserve() -> None:
    """Have OpenBLAS take its working memory now, while it is known to be there.

    Raises:
        OSError: when it is not.
    """
    must_be_free(OPENBLAS)
    cholesky(np.eye(2))


class NaiveBayesWeights(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # no types
    """Weights each n-gram by how much more often it stands in good reviews than in bad ones.

    S. Wang and C. D. Manning, "Baselines and Bigrams: Simple, Good Sentiment and Topic
    Classification" (2012), equation 2: the logarithm of the ratio of its two shares, each count
    one higher than it is.
    """

    def fit(self, counts: csr_matrix, labels: npt.ArrayLike) -> Self:
        """Find the weights; `counts` [reviews × n-grams], 0 or 1, `labels` [reviews], 0 or 1."""
        good = np.asarray(labels) == 1
        shares = []
        for chosen in (good, ~good):
            total = np.asarray(counts[chosen].sum(axis=0), dtype=np.float64).ravel() + 1
            shares.append(total / total.sum())
        self.weights_ = np.log(shares[0] / shares[1]).astype(np.float32)
        return self

    def transform(self, counts: csr_matrix) -> csr_matrix:
        """The counts times the weights."""
        return counts @ diags(self.weights_)


def linear_model(settings: Linear, classes: int = 2) -> Pipeline:
    """Which n-grams of up to `settings.ngrams` words occur, weighted; logistic regression.

    Of more than two classes each is told from all others.
    """
    rater = make_pipeline(NaiveBayesWeights(), LogisticRegression(C=settings.C, max_iter=1_000))
    return make_pipeline(
        CountVectorizer(
            tokenizer=tokenize,
            token_pattern=None,
            lowercase=False,  # tokenize does it
            ngram_range=(1, settings.ngrams),
            min_df=settings.min_reviews,
            binary=True,
            dtype=np.float32,
        ),
        rater if classes == 2 else OneVsRestClassifier(rater),
    )


def parameters(model: Pipeline) -> int:
    """How many numbers were fitted."""
    raters = getattr(model[-1], "estimators_", [model[-1]])  # as many as classes, or one
    return sum(rater[-1].coef_.size + 1 for rater in raters)


def fitted(model: Pipeline, texts: Iterable[str], labels: npt.ArrayLike) -> Pipeline:
    """The model, fitted to reviews and the numbers of their classes.

    Raises:
        StageError: when no n-gram is frequent enough.
    """
    try:
        return model.fit(texts, labels)
    except ValueError as error:
        if not re.search("no terms remain|empty vocabulary|max_df corresponds", str(error)):
            raise
        raise StageError(
            f"no n-gram occurs in imdb.linear.min_reviews = {model[0].min_df} reviews; lower it"
        ) from None


def texts_of(path: Path, places: Indices) -> Iterator[list[str]]:
    """The texts of some rows of a Parquet file, ascending, no more than ROWS at a time."""
    start = 0
    for batch in pq.ParquetFile(path).iter_batches(ROWS, columns=["text"]):
        low, high = np.searchsorted(places, [start, start + len(batch)])
        if high > low:
            yield batch.column("text").take(pa.array(places[low:high] - start)).to_pylist()
        start += len(batch)


def rated(model: Pipeline, path: Path, places: Indices, classes: int) -> npt.NDArray[np.float32]:
    """How likely each class is for some reviews of a Parquet file, float32 [places × classes]."""
    ratings = np.zeros((len(places), classes), np.float32)
    start = 0
    for texts in texts_of(path, places):
        # A class that no review was left to learn from has no column there.
        ratings[start : start + len(texts), model.classes_] = model.predict_proba(texts)
        start += len(texts)
    return ratings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--reviews", type=Path, required=True)
    parser.add_argument("--predictions", type=Path, required=True, help="of the test reviews")
    parser.add_argument("--unlabelled", type=Path, required=True, help="ratings of those")
    args = parser.parse_args()
    settings = params.load(args.params, "imdb", Imdb)

    try:
        table = pq.read_table(
            args.reviews, columns=["split", "film", "label"], read_dictionary=["split", "film"]
        )
    except (pa.ArrowException, FileNotFoundError) as error:
        raise StageError(f"{args.reviews}: not a table of reviews ({error})") from None
    index: pd.DataFrame = table.to_pandas()
    classes = classes_of(table.schema)
    train, _ = split_by_film(index, settings.validation)

    say(f"linear: logistic regression on {len(train):,} reviews")
    texts = chain.from_iterable(texts_of(args.reviews, train))
    with threadpool_limits(1):  # the last bits of a long sum depend on the number of threads
        reserve()
        linear = linear_model(settings.linear, len(classes))
        model = fitted(linear, texts, index["label"].to_numpy()[train])
    for split, path in (("test", args.predictions), ("unlabelled", args.unlabelled)):
        places = np.flatnonzero(index["split"] == split)
        write(
            Predictions(
                model="linear",
                data=data_name(table.schema),
                classes=list(classes),
                parameters=parameters(model),
                seeds=[0],
                probabilities=rated(model, args.reviews, places, len(classes))[None],
            ),
            path,
        )


if __name__ == "__main__":
    run(main)
