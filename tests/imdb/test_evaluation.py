"""Metrics, intervals and tests against their definitions."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from stages.imdb.corpus.predictions import Predictions
from stages.imdb.evaluation import metrics
from stages.imdb.evaluation.compare import ensemble, hardest_errors, paired_gains, results_table
from stages.imdb.evaluation.pooling import log_opinion_pool


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def both_classes(positive: npt.ArrayLike) -> metrics.Floats:
    """Return the probabilities of both classes from those of the second."""
    positive = np.asarray(positive)
    return np.stack([1 - positive, positive], axis=-1)


def test_metrics_of_a_perfect_model_and_of_one_that_is_always_wrong() -> None:
    labels = np.array([0, 1] * 50)
    perfect = metrics.compute_metrics(labels, both_classes(labels[None].astype(float)))
    assert (perfect["acc"], perfect["auc"], perfect["ece"]) == (1, 1, 0)
    assert perfect["acc_low"] < perfect["acc_high"] == pytest.approx(1)
    wrong = metrics.compute_metrics(labels, both_classes(1 - labels[None].astype(float)))
    assert (wrong["acc"], wrong["auc"], wrong["ece"]) == (0, 0, 1)


def test_metrics_of_three_classes_are_micro_averages() -> None:
    labels = np.array([0, 1, 2, 2])
    probs = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.3, 0.3, 0.4], [0.1, 0.7, 0.2]])
    assert metrics.correct(labels, probs[None]).tolist() == [[True, True, True, False]]
    y_true, y_prob = metrics.one_vs_rest(labels, probs)
    assert y_true.tolist() == [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1]
    assert y_prob.tolist() == probs.ravel().tolist()
    expected = roc_auc_score(np.eye(3)[labels], probs, average="micro")
    assert metrics.compute_metrics(labels, probs[None])["auc"] == pytest.approx(expected)
    table = metrics.confusion_table(labels, probs, ["a", "b", "c"])
    counts = table.pivot(index="actual", columns="predicted", values="reviews").to_numpy()
    assert counts.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]


def test_calibrated_probabilities_have_almost_no_calibration_error(
    rng: np.random.Generator,
) -> None:
    y_prob = rng.random(200_000)
    y_true = (rng.random(200_000) < y_prob).astype(np.int64)
    assert metrics.expected_calibration_error(y_true, y_prob) < 0.01
    assert metrics.expected_calibration_error(y_true, y_prob**4) > 0.1


def test_bootstrap_of_one_seed_has_the_standard_error_of_a_proportion(
    rng: np.random.Generator,
) -> None:
    is_correct = rng.random((1, 2_000)) < 0.9
    means = metrics.bootstrap(is_correct)
    p = is_correct.mean()
    assert means.mean() == pytest.approx(p, abs=1e-3)
    assert means.std() == pytest.approx(np.sqrt(p * (1 - p) / 2_000), rel=0.05)


def test_differences_between_seeds_widen_the_interval(rng: np.random.Generator) -> None:
    alike = np.repeat(rng.random((1, 2_000)) < 0.9, 5, axis=0)
    different = rng.random((5, 2_000)) < np.array([0.8, 0.85, 0.9, 0.95, 0.99])[:, None]
    assert metrics.bootstrap(different).std() > 3 * metrics.bootstrap(alike).std()


def test_gain_is_the_difference_in_points_within_its_interval(rng: np.random.Generator) -> None:
    drawn = rng.random((2, 5, 10_000))
    base = drawn[0] < 0.88
    better = base | (drawn[1] < 0.2)
    points, low, high = metrics.gain(better, base)
    assert points == pytest.approx(100 * (better.mean() - base.mean()))
    assert low < points < high
    assert low > 1
    zero, low, high = metrics.gain(base, base)
    assert (zero, low, high) == (0, 0, 0)


@pytest.mark.parametrize(
    ("only_better", "only_base", "p"),
    [(10, 10, 1.0), (0, 0, 1.0), (10, 0, 2 * 0.5**10), (0, 5, 2 * 0.5**5)],
)
def test_mcnemar_is_exact(only_better: int, only_base: int, p: float) -> None:
    better = np.array([True] * only_better + [False] * only_base + [True] * 7)
    base = np.array([False] * only_better + [True] * only_base + [True] * 7)
    assert metrics.mcnemar(better, base) == pytest.approx(p)


def test_curves_end_where_every_review_is_called_positive(rng: np.random.Generator) -> None:
    y_true = rng.integers(0, 2, 1_000)
    y_prob = np.clip(y_true * 0.3 + rng.random(1_000) * 0.7, 0, 1)
    roc = metrics.roc(y_true, y_prob)
    assert len(roc) == metrics.CURVE_POINTS
    assert roc["true_positive_rate"].is_monotonic_increasing
    assert roc["true_positive_rate"].iloc[-1] == 1
    curve = metrics.precision_recall(y_true, y_prob)
    assert curve["precision"].iloc[-1] >= y_true.mean() - 1e-9


def predictions(model: str, positive: list[list[float]]) -> Predictions:
    """Return predictions from the probabilities of the second class by each seed."""
    probabilities = both_classes(np.array(positive, np.float32))
    seeds = [*range(len(positive))]
    return Predictions(model, "made up", ["bad", "good"], 10, seeds, "float32", probabilities)


def test_gains_are_given_by_seed_and_over_all_seeds() -> None:
    labels = np.array([1, 0, 1, 0])
    mean = predictions("mean", [[0.9, 0.9, 0.9, 0.9], [0.1, 0.1, 0.1, 0.1]])
    lstm = predictions("lstm", [[0.9, 0.1, 0.9, 0.9], [0.9, 0.1, 0.9, 0.1]])
    table = paired_gains(mean, lstm, labels).set_index("seed")
    assert table["gain"].to_dict() == {"0": 25, "1": 50, "all": 37.5}


def test_hardest_errors_are_errors_of_both_networks_sorted_by_confidence() -> None:
    reviews = pd.DataFrame({"id": list("abcd"), "stars": [9, 2, 9, 2], "label": [1, 0, 1, 0]})
    mean = predictions("mean", [[0.2, 0.9, 0.1, 0.2]])
    lstm = predictions("lstm", [[0.3, 0.9, 0.9, 0.1]])
    table = hardest_errors(mean, lstm, reviews)
    assert list(table["id"]) == ["b", "a"]
    assert list(table["label"]) == ["bad", "good"]
    assert table["lstm"].tolist() == pytest.approx([0.1, 0.3])


def test_log_opinion_pool_is_the_mean_of_the_logits() -> None:
    one, other = both_classes([0.9, 0.2, 0.5]), both_classes([0.6, 0.3, 1.0])
    pooled = log_opinion_pool([one, other])
    assert pooled.sum(axis=1) == pytest.approx(1)
    logits = [np.log(probs[:2, 1] / probs[:2, 0]) for probs in (one, other, pooled)]
    assert logits[2] == pytest.approx((logits[0] + logits[1]) / 2)
    assert 0.5 < pooled[2, 1] < 1  # a probability of 1 does not outvote the other model
    assert log_opinion_pool([one]) == pytest.approx(one)


def test_ensemble_gives_every_network_the_same_weight() -> None:
    labels = np.array([1, 1, 0])
    # Each of the three models misclassifies one review, with little confidence.
    linear = predictions("linear", [[0.9, 0.8, 0.6]])
    lstm = predictions("lstm", [[0.4, 0.9, 0.1], [0.9, 0.4, 0.1]])
    seeds, both = (
        ensemble("lstm_ensemble", [lstm]),
        ensemble("lstm_linear_ensemble", [linear, lstm]),
    )
    assert (seeds.num_parameters, both.num_parameters) == (20, 30)
    assert both.probabilities.shape == (1, 3, 2)
    table = results_table([linear, lstm, seeds, both], labels).set_index("model")
    assert table["accuracy"].to_dict() == pytest.approx(
        {"linear": 2 / 3, "lstm": 2 / 3, "lstm_ensemble": 1, "lstm_linear_ensemble": 1}
    )
    assert table.loc["lstm_linear_ensemble", "seeds"] == 2
