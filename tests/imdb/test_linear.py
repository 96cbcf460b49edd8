"""The linear model: its weights computed by hand, its predictions and its errors."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.sparse import csr_matrix

from stages.common.errors import UserError
from stages.imdb.corpus.params import Linear
from stages.imdb.linear import main
from stages.imdb.linear.main import iter_texts, predict_proba
from stages.imdb.linear.model import (
    LogCountRatio,
    build_linear_model,
    count_parameters,
    fit_model,
    precision,
)

TEXTS, LABELS = ["good film", "good plot", "bad film", "bad plot"] * 5, [1, 1, 0, 0] * 5


def params(min_df: int) -> Linear:
    return Linear(ngrams=2, min_df=min_df, C=1.0)


def test_the_log_count_ratios_are_those_of_equation_2() -> None:
    X = csr_matrix(np.array([[1, 1], [1, 0], [0, 1]], dtype=np.float32))
    model = LogCountRatio().fit(X, [1, 1, 0])
    # The positive reviews contain the first n-gram twice and the second once, the negative review
    # contains the second once. With 1 added to each: p = (3, 2), q = (1, 2).
    expected = np.log([(3 / 5) / (1 / 3), (2 / 5) / (2 / 3)])
    np.testing.assert_allclose(model.r_, expected, rtol=1e-6)
    np.testing.assert_allclose(model.transform(X).toarray()[0], expected, rtol=1e-6)


def test_predictions_in_batches_equal_those_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "reviews.parquet"
    pq.write_table(pa.table({"text": TEXTS}), path, row_group_size=6)
    model = fit_model(build_linear_model(params(2)), iter(TEXTS), LABELS)
    indices = np.array([1, 2, 7, 8, 19])
    monkeypatch.setattr(main, "BATCH_ROWS", 4)
    assert [*iter_texts(path, indices)] == [TEXTS[1:3], [TEXTS[7]], [TEXTS[8]], [TEXTS[19]]]
    expected = model.predict_proba([TEXTS[i] for i in indices]).astype(np.float32)
    assert predict_proba(model, path, indices, 2).tolist() == expected.tolist()
    assert predict_proba(model, path, indices[:0], 2).shape == (0, 2)


def test_three_classes_have_a_regression_each(tmp_path: Path) -> None:
    texts, labels = [*TEXTS, *["odd film", "odd plot"] * 5], [*LABELS, *[2] * 10]
    path = tmp_path / "reviews.parquet"
    pq.write_table(pa.table({"text": ["bad scene", "good scene", "odd scene"]}), path)
    model = fit_model(build_linear_model(params(2), num_classes=3), texts, labels)
    probabilities = predict_proba(model, path, np.arange(3), 3)
    assert probabilities.argmax(axis=1).tolist() == [0, 1, 2]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert count_parameters(model) == 3 * (len(model[0].vocabulary_) + 1)
    assert precision(model) == "float32"


def test_too_high_a_minimum_frequency_is_named() -> None:
    with pytest.raises(UserError, match=r"min_df = 1000 texts; lower it, and check .* spaces"):
        fit_model(build_linear_model(params(1000)), TEXTS, LABELS)
