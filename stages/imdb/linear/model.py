"""Logistic regression on n-grams weighted by their log-count ratio (Wang & Manning, 2012)."""

import re
from collections.abc import Iterable
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix, diags
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline

from stages.common.errors import UserError
from stages.imdb.corpus.params import Linear
from stages.imdb.corpus.tokenizer import tokenize


class LogCountRatio(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # no types
    """Scale each n-gram by how much more often it occurs in positive than in negative reviews.

    S. Wang and C. D. Manning, "Baselines and Bigrams: Simple, Good Sentiment and Topic
    Classification" (2012), equation 2, with alpha = 1:

        r = log((p / |p|_1) / (q / |q|_1)),  p = 1 + counts of positive, q = 1 + counts of negative
    """

    def fit(self, X: csr_matrix, y: npt.ArrayLike) -> Self:
        """Compute r from the counts X [reviews, n-grams] and the labels y [reviews], 0 or 1."""
        positive = np.asarray(y) == 1
        p, q = (
            np.asarray(X[rows].sum(axis=0), dtype=np.float64).ravel() + 1
            for rows in (positive, ~positive)
        )
        self.r_ = np.log((p / p.sum()) / (q / q.sum())).astype(np.float32)
        return self

    def transform(self, X: csr_matrix) -> csr_matrix:
        """Multiply each column of X by its r."""
        return X @ diags(self.r_)


def build_linear_model(params: Linear, num_classes: int = 2) -> Pipeline:
    """Build the model: presence of n-grams, log-count ratios, logistic regression.

    With more than two classes there is one such regression per class, against all other classes.
    """
    classifier = make_pipeline(LogCountRatio(), LogisticRegression(C=params.C, max_iter=1_000))
    return make_pipeline(
        CountVectorizer(
            tokenizer=tokenize,
            token_pattern=None,
            lowercase=False,  # tokenize does it
            ngram_range=(1, params.ngrams),
            min_df=params.min_df,
            binary=True,
            dtype=np.float32,
        ),
        classifier if num_classes == 2 else OneVsRestClassifier(classifier),
    )


def fit_model(model: Pipeline, texts: Iterable[str], labels: npt.ArrayLike) -> Pipeline:
    """Fit the model to texts and their labels, and return it.

    Raises:
        UserError: If no n-gram is frequent enough.
    """
    try:
        return model.fit(texts, labels)
    except ValueError as error:
        if not re.search("no terms remain|empty vocabulary|max_df corresponds", str(error)):
            raise
        raise UserError(
            f"no n-gram occurs in imdb.linear.min_df = {model[0].min_df} texts; lower it, and check"
            " that the words of the texts are separated by spaces"
        ) from None


def count_parameters(model: Pipeline) -> int:
    """Return the number of fitted coefficients and intercepts."""
    return sum(regression.coef_.size + 1 for regression in _regressions(model))


def precision(model: Pipeline) -> str:
    """Return the data type of the fitted coefficients, such as "float32"."""
    return str(_regressions(model)[0].coef_.dtype)


def _regressions(model: Pipeline) -> list[LogisticRegression]:
    """Return the fitted regressions: one, or with more than two classes one per class."""
    classifiers = getattr(model[-1], "estimators_", [model[-1]])
    return [classifier[-1] for classifier in classifiers]
