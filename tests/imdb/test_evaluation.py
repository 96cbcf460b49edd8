"""The statistics, against what they are defined to be."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from stages.imdb import evaluation
from stages.imdb.compare import gains, hardest, results, vote
from stages.imdb.predictions import Predictions


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def of_good(probabilities: npt.ArrayLike) -> evaluation.Floats:
    """The probabilities of both classes, from those of the second."""
    good = np.asarray(probabilities)
    return np.stack([1 - good, good], axis=-1)


def test_a_perfect_and_a_hopeless_model() -> None:
    labels = np.array([0, 1] * 50)
    perfect = evaluation.summary(labels, of_good(labels[None].astype(float)))
    assert (perfect["acc"], perfect["auc"], perfect["ece"]) == (1, 1, 0)
    assert perfect["acc_low"] < perfect["acc_high"] == pytest.approx(1)
    hopeless = evaluation.summary(labels, of_good(1 - labels[None].astype(float)))
    assert (hopeless["acc"], hopeless["auc"], hopeless["ece"]) == (0, 0, 1)


def test_of_three_classes_each_is_asked_for_in_turn() -> None:
    labels = np.array([0, 1, 2, 2])
    rated = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.3, 0.3, 0.4], [0.1, 0.7, 0.2]])
    assert evaluation.correct(labels, rated[None]).tolist() == [[True, True, True, False]]
    true, said = evaluation.one_against_rest(labels, rated)
    assert true.tolist() == [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1]
    assert said.tolist() == rated.ravel().tolist()
    # scikit-learn's own micro-average of the same.
    expected = roc_auc_score(np.eye(3)[labels], rated, average="micro")
    assert evaluation.summary(labels, rated[None])["auc"] == pytest.approx(expected)
    table = evaluation.confusion(labels, rated, ["a", "b", "c"])
    counts = table.pivot(index="truly", columns="rated", values="reviews").to_numpy()
    assert counts.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]


def test_of_two_classes_only_the_second_is_asked_for() -> None:
    labels = np.array([0, 1, 1])
    true, said = evaluation.one_against_rest(labels, of_good([0.2, 0.9, 0.4]))
    assert (true.tolist(), said.tolist()) == ([0, 1, 1], [0.2, 0.9, 0.4])


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
    rated = of_good(np.array(good, np.float32))
    return Predictions(model, "made up", ["bad", "good"], 1, list(range(len(good))), rated)


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
    table = hardest(mean, lstm, index)
    assert list(table["id"]) == ["b", "a"]
    assert list(table["label"]) == ["bad", "good"]
    assert table["lstm"].tolist() == pytest.approx([0.1, 0.3])


def test_pooled_is_the_mean_of_the_logits() -> None:
    one, other = of_good([0.9, 0.2, 0.5]), of_good([0.6, 0.3, 1.0])
    both = evaluation.pooled([one, other])
    assert both.sum(axis=1) == pytest.approx(1)
    logits = [np.log(p[:2, 1] / p[:2, 0]) for p in (one, other, both)]
    assert logits[2] == pytest.approx((logits[0] + logits[1]) / 2)
    assert 0.5 < both[2, 1] < 1  # one that is sure beyond its digits does not silence the other
    assert evaluation.pooled([one]) == pytest.approx(one)


def test_together_each_network_and_the_linear_model_have_a_vote() -> None:
    def rated(model: str, *good: list[float]) -> Predictions:
        seeds = [*range(1, 1 + len(good))]
        return Predictions(model, "made up", ["bad", "good"], 10, seeds, of_good([*good]))

    labels = np.array([1, 1, 0])
    # Each of the three has two of the three reviews right; what they are sure of, all have.
    linear = rated("linear", [0.9, 0.8, 0.6])
    lstm = rated("lstm", [0.4, 0.9, 0.1], [0.9, 0.4, 0.1])
    seeds, together = vote("seeds", [lstm]), vote("together", [linear, lstm])
    assert (seeds.parameters, together.parameters) == (20, 30)
    assert together.probabilities.shape == (1, 3, 2)
    table = results([linear, lstm, seeds, together], labels).set_index("model")
    assert table["accuracy"].to_dict() == pytest.approx(
        {"linear": 2 / 3, "lstm": 2 / 3, "seeds": 1, "together": 1}
    )
    assert table.loc["together", "seeds"] == 2
