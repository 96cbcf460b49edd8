"""The statistics, against what they are defined to be."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.imdb import evaluation
from stages.imdb.compare import gains, hardest
from stages.imdb.predictions import Predictions


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_perfect_and_a_hopeless_model() -> None:
    labels = np.array([0, 1] * 50)
    perfect = evaluation.summary(labels, labels[None].astype(float))
    assert (perfect["acc"], perfect["auc"], perfect["ece"]) == (1, 1, 0)
    assert perfect["acc_low"] < perfect["acc_high"] == pytest.approx(1)
    hopeless = evaluation.summary(labels, 1 - labels[None].astype(float))
    assert (hopeless["acc"], hopeless["auc"], hopeless["ece"]) == (0, 0, 1)
    assert hopeless["confusion"] == {
        "true_bad": 0, "false_good": 50, "false_bad": 50, "true_good": 0,
    }  # fmt: skip


def test_calibrated_probabilities_have_almost_no_calibration_error() -> None:
    good = generator().random(200_000)
    labels = (generator().spawn(1)[0].random(200_000) < good).astype(np.int64)
    assert evaluation.calibration_error(labels, good) < 0.01
    assert evaluation.calibration_error(labels, good**4) > 0.1


def test_the_bootstrap_has_the_spread_that_theory_gives() -> None:
    """Of one seed the standard error of an accuracy is √(p(1−p)/n)."""
    right = generator().random((1, 2_000)) < 0.9
    means = evaluation.bootstrap(right)
    p = right.mean()
    assert means.mean() == pytest.approx(p, abs=1e-3)
    assert means.std() == pytest.approx(np.sqrt(p * (1 - p) / 2_000), rel=0.05)


def test_seeds_that_differ_widen_the_interval() -> None:
    """Five seeds that share each review: the spread of the reviews, and that of the seeds."""
    alike = np.repeat(generator().random((1, 2_000)) < 0.9, 5, axis=0)
    apart = generator().random((5, 2_000)) < np.array([0.8, 0.85, 0.9, 0.95, 0.99])[:, None]
    assert evaluation.bootstrap(apart).std() > 3 * evaluation.bootstrap(alike).std()


def test_the_gain_and_its_interval() -> None:
    drawn = generator().random((2, 5, 10_000))
    base = drawn[0] < 0.88
    better = base | (drawn[1] < 0.2)
    points, low, high = evaluation.gain(better, base)
    assert points == pytest.approx(100 * (better.mean() - base.mean()))
    assert low < points < high
    assert low > 1
    zero, low, high = evaluation.gain(base, base)
    assert (zero, low, high) == (0, 0, 0)


@pytest.mark.parametrize(
    ("only_better", "only_base", "p"),
    [(10, 10, 1.0), (0, 0, 1.0), (10, 0, 2 * 0.5**10), (0, 5, 2 * 0.5**5)],
)
def test_mcnemar_is_exact(only_better: int, only_base: int, p: float) -> None:
    better = np.array([True] * only_better + [False] * only_base + [True] * 7)
    base = np.array([False] * only_better + [True] * only_base + [True] * 7)
    assert evaluation.mcnemar(better, base) == pytest.approx(p)


@given(st.integers(0, 500), st.integers(1, 500))
def test_an_interval_holds_its_proportion(right: int, more: int) -> None:
    low, high = evaluation.interval(right, right + more)
    assert 0 <= low <= right / (right + more) <= high <= 1


def test_curves_run_from_corner_to_corner() -> None:
    labels = generator().integers(0, 2, 1_000)
    good = np.clip(labels * 0.3 + generator().random(1_000) * 0.7, 0, 1)
    roc = evaluation.roc(labels, good)
    assert roc["true_positive_rate"].is_monotonic_increasing
    assert roc["true_positive_rate"].iloc[-1] == 1
    curve = evaluation.precision_recall(labels, good)
    assert curve["precision"].iloc[-1] >= labels.mean() - 1e-9


def test_accuracy_by_group_weighs_every_review_once() -> None:
    right = generator().random(1_000) < 0.7
    groups = pd.Series(generator().integers(1, 11, 1_000))
    table = evaluation.accuracy_by(groups, right)
    assert table["reviews"].sum() == 1_000
    assert np.average(table["accuracy"], weights=table["reviews"]) == pytest.approx(right.mean())


def predictions(model: str, good: list[list[float]]) -> Predictions:
    return Predictions(model, "made up", 1, list(range(len(good))), np.array(good, np.float32))


def test_gains_by_seed_and_over_all() -> None:
    labels = np.array([1, 0, 1, 0])
    mean = predictions("mean", [[0.9, 0.9, 0.9, 0.9], [0.1, 0.1, 0.1, 0.1]])
    lstm = predictions("lstm", [[0.9, 0.1, 0.9, 0.9], [0.9, 0.1, 0.9, 0.1]])
    table = gains(mean, lstm, labels).set_index("seed")
    assert table["gain"].to_dict() == {"0": 25, "1": 50, "all": 37.5}


def test_the_hardest_are_wrong_in_both_and_the_surest_come_first() -> None:
    index = pd.DataFrame({"id": list("abcd"), "stars": [9, 2, 9, 2], "label": [1, 0, 1, 0]})
    mean = predictions("mean", [[0.2, 0.9, 0.1, 0.2]])
    lstm = predictions("lstm", [[0.3, 0.9, 0.9, 0.1]])
    assert list(hardest(mean, lstm, index)["id"]) == ["b", "a"]
