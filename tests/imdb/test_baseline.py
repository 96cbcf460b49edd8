"""The linear model: its weights by hand, and what it says when nothing is frequent enough."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.sparse import csr_matrix

from stages.common.errors import MEMORY_MESSAGE, StageError
from stages.imdb import baseline
from stages.imdb.baseline import (
    NaiveBayesWeights,
    fitted,
    linear_model,
    parameters,
    rated,
    texts_of,
)
from stages.imdb.params import Linear
from tests.conftest import ROOT

TEXTS, LABELS = ["good film", "good plot", "bad film", "bad plot"] * 5, [1, 1, 0, 0] * 5


def settings(min_reviews: int) -> Linear:
    return Linear(ngrams=2, min_reviews=min_reviews, C=1.0)


def test_the_weights_are_those_of_equation_2() -> None:
    counts = csr_matrix(np.array([[1, 1], [1, 0], [0, 1]], dtype=np.float32))
    weights = NaiveBayesWeights().fit(counts, [1, 1, 0])
    # Good reviews hold the first n-gram twice and the second once, bad ones the second once; each
    # count plus one: 3/5 and 2/5 of the good ones, 1/3 and 2/3 of the bad ones.
    expected = np.log([(3 / 5) / (1 / 3), (2 / 5) / (2 / 3)])
    np.testing.assert_allclose(weights.weights_, expected, rtol=1e-6)
    np.testing.assert_allclose(weights.transform(counts).toarray()[0], expected, rtol=1e-6)


def test_the_linear_model_learns_which_words_are_good() -> None:
    model = fitted(linear_model(settings(2)), TEXTS, LABELS)
    assert list(model.predict(["a good plot", "a bad plot"])) == [1, 0]


def test_reviews_are_rated_in_parts_as_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "reviews.parquet"
    pq.write_table(pa.table({"text": TEXTS}), path, row_group_size=6)
    model = fitted(linear_model(settings(2)), iter(TEXTS), LABELS)
    places = np.array([1, 2, 7, 8, 19])
    monkeypatch.setattr(baseline, "ROWS", 4)
    assert [*texts_of(path, places)] == [TEXTS[1:3], [TEXTS[7]], [TEXTS[8]], [TEXTS[19]]]
    whole = model.predict_proba([TEXTS[i] for i in places]).astype(np.float32)
    assert rated(model, path, places, 2).tolist() == whole.tolist()
    assert rated(model, path, places[:0], 2).shape == (0, 2)


def test_of_three_classes_each_is_told_from_the_others(tmp_path: Path) -> None:
    texts, labels = [*TEXTS, *["odd film", "odd plot"] * 5], [*LABELS, *[3] * 10]
    path = tmp_path / "reviews.parquet"
    pq.write_table(pa.table({"text": ["bad scene", "good scene", "odd scene"]}), path)
    model = fitted(linear_model(settings(2), classes=4), texts, labels)
    # Class 2 was in no review that was learned from.
    ratings = rated(model, path, np.arange(3), 4)
    assert ratings.argmax(axis=1).tolist() == [0, 1, 3]
    np.testing.assert_allclose(ratings.sum(axis=1), 1, rtol=1e-6)
    assert ratings[:, 2].tolist() == [0, 0, 0]
    assert parameters(model) == 3 * (len(model[0].vocabulary_) + 1)


def test_n_grams_that_are_all_too_rare_are_told() -> None:
    with pytest.raises(StageError, match=r"imdb.linear.min_reviews = 1000 reviews; lower it"):
        fitted(linear_model(settings(1000)), TEXTS, LABELS)


SHORT = """
import resource
import psutil
from stages.common.errors import run
from stages.imdb.baseline import reserve
size = psutil.Process().memory_info().vms + (1 << 24)
resource.setrlimit(resource.RLIMIT_AS, (size, size))
run(reserve)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not keep to the limit")
def test_without_memory_for_its_sums_it_says_so_and_does_not_try_for_ever() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHORT], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (done.returncode, done.stderr) == (1, f"error: {MEMORY_MESSAGE}\n")
