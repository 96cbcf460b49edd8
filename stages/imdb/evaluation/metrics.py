"""Metrics of a classifier with confidence intervals: pure functions of labels and probabilities.

Shapes:
    labels: int64 [reviews], index of the class of each review (0 bad, 1 good).
    probabilities: float [reviews × classes], or [seeds × reviews × classes] for a network that was
        trained from several seeds.
    y_true, y_prob: int64 [n] of 0 or 1, and float [n], the probability of 1. `one_vs_rest` makes
        them from labels and probabilities.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import binomtest
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int64]

CONFIDENCE = 0.95
TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)  # quantiles that bound the interval
RESAMPLES = 10_000  # of the bootstrap
CALIBRATION_BINS = 10
CURVE_POINTS = 201  # per curve: looks smooth and makes a small file


def correct(labels: Labels, probabilities: Floats) -> Bools:
    """Return True for each correct prediction, bool [reviews] or [seeds × reviews]."""
    return probabilities.argmax(axis=-1) == labels


def one_vs_rest(labels: Labels, probabilities: Floats) -> tuple[Labels, Floats]:
    """Turn predictions [reviews × classes] into the binary ones that the curves need.

    With two classes, the question for each review is whether it is of the second class. With more,
    the question is asked for each class in turn, and the answers are concatenated (micro-average).

    Returns:
        y_true, int64 [n], and y_prob, [n]. n is the number of reviews, times the number of classes
        if there are more than two.
    """
    num_classes = probabilities.shape[1]
    if num_classes == 2:
        return labels, probabilities[:, 1]
    one_hot = labels[:, None] == np.arange(num_classes)
    return one_hot.ravel().astype(np.int64), probabilities.ravel()


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a proportion (Wilson 1927)."""
    low, high = binomtest(successes, n).proportion_ci(CONFIDENCE, method="wilson")
    return float(low), float(high)


def calibration_curve(y_true: Labels, y_prob: Floats) -> pd.DataFrame:
    """Return the reliability diagram: do 80 % of the events with a probability of 0.8 happen?

    Returns:
        One row per non-empty bin of equal width: probability (mean), fraction_positive, reviews.
    """
    bins = np.minimum((y_prob * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    table = pd.DataFrame({"bin": bins, "probability": y_prob, "true": y_true})
    grouped = table.groupby("bin")
    return grouped.agg(
        probability=("probability", "mean"),
        fraction_positive=("true", "mean"),
        reviews=("true", "size"),
    ).reset_index(drop=True)


def expected_calibration_error(y_true: Labels, y_prob: Floats) -> float:
    """Return the expected calibration error (Guo et al. 2017, equation 3)."""
    bins = calibration_curve(y_true, y_prob)
    gap = (bins["probability"] - bins["fraction_positive"]).abs()
    return float(np.average(gap, weights=bins["reviews"]))


def confusion_table(labels: Labels, probabilities: Floats, classes: Sequence[str]) -> pd.DataFrame:
    """Count how often each class is predicted for each class: actual, predicted, reviews."""
    counts = confusion_matrix(labels, probabilities.argmax(axis=1), labels=range(len(classes)))
    rows = [
        (actual, predicted, int(counts[i, j]))
        for i, actual in enumerate(classes)
        for j, predicted in enumerate(classes)
    ]
    return pd.DataFrame(rows, columns=["actual", "predicted", "reviews"])


def compute_metrics(labels: Labels, probabilities: Floats) -> dict[str, Any]:
    """Compute the metrics of one model from its probabilities [seeds × reviews × classes].

    Returns:
        acc, auc, ap (average precision) and ece (expected calibration error), means over the
        seeds; acc_by_seed; and acc_low and acc_high, the 95 % interval of acc. The interval covers
        seeds and reviews (`bootstrap`), or the reviews only if there is one seed.
    """
    is_correct = correct(labels, probabilities)
    if len(is_correct) > 1:
        low, high = np.quantile(bootstrap(is_correct), TAILS)
    else:
        low, high = wilson_interval(int(is_correct.sum()), is_correct.size)
    binary = [one_vs_rest(labels, of_seed) for of_seed in probabilities]
    return {
        "acc": float(is_correct.mean()),
        "acc_low": float(low),
        "acc_high": float(high),
        "acc_by_seed": [float(mean) for mean in is_correct.mean(axis=1)],
        "auc": float(np.mean([roc_auc_score(*each) for each in binary])),
        "ap": float(np.mean([average_precision_score(*each) for each in binary])),
        "ece": float(np.mean([expected_calibration_error(*each) for each in binary])),
    }


def bootstrap(values: npt.NDArray[np.bool_ | np.int8], resamples: int = RESAMPLES) -> Floats:
    """Return means of `values`, bool or int8 [seeds × reviews], with seeds and reviews resampled.

    Each resample draws as many reviews and as many seeds as there are, with replacement (Efron &
    Tibshirani 1993). The spread of the means shows how far other reviews and other seeds would move
    the result.

    Returns:
        float64 [resamples], the same on every call.
    """
    rng = np.random.default_rng(0)
    num_seeds, num_reviews = values.shape
    # Reviews with the same column of values are interchangeable. Drawing how often each distinct
    # column occurs, by one multinomial, replaces drawing 25,000 single reviews per resample.
    columns, counts = np.unique(values.astype(np.int8).T, axis=0, return_counts=True)
    drawn = rng.multinomial(num_reviews, counts / num_reviews, size=resamples)
    by_seed = drawn @ columns / num_reviews  # resamples × seeds
    seeds = rng.integers(num_seeds, size=(resamples, num_seeds))
    return np.asarray(np.take_along_axis(by_seed, seeds, axis=1).mean(axis=1))


def gain(better: Bools, base: Bools) -> tuple[float, float, float]:
    """Return the gain in accuracy of one model over another in percentage points.

    Args:
        better, base: Which predictions are correct, bool [seeds × reviews]. Seeds and reviews are
            in the same order in both, so that the bootstrap is paired.

    Returns:
        The gain, and the bounds of its 95 % interval.
    """
    difference = better.astype(np.int8) - base.astype(np.int8)
    low, high = np.quantile(bootstrap(difference), TAILS)
    return 100 * float(difference.mean()), 100 * float(low), 100 * float(high)


def mcnemar(better: Bools, base: Bools) -> float:
    """Return the exact p-value of McNemar's test (1947) that two models are equally accurate.

    Args:
        better, base: Which predictions are correct, bool [reviews].
    """
    only_better = int((better & ~base).sum())
    discordant = int((better ^ base).sum())
    return float(binomtest(only_better, discordant).pvalue) if discordant else 1.0


def roc(y_true: Labels, y_prob: Floats) -> pd.DataFrame:
    """Return the ROC curve: false_positive_rate, true_positive_rate."""
    false_positive, true_positive, _ = roc_curve(y_true, y_prob)
    grid = np.linspace(0, 1, CURVE_POINTS)
    return pd.DataFrame(
        {
            "false_positive_rate": grid,
            "true_positive_rate": np.interp(grid, false_positive, true_positive),
        }
    )


def precision_recall(y_true: Labels, y_prob: Floats) -> pd.DataFrame:
    """Return the precision–recall curve: recall, precision."""
    precision, recall, _ = precision_recall_curve(y_true, y_prob)
    grid = np.linspace(0, 1, CURVE_POINTS)
    return pd.DataFrame(
        {"recall": grid, "precision": np.interp(grid, recall[::-1], precision[::-1])}
    )


def accuracy_by(groups: "pd.Series[Any]", is_correct: Bools) -> pd.DataFrame:
    """Return the accuracy by group: group, accuracy, its 95 % interval (low, high), reviews."""
    rows = []
    for group, members in pd.Series(is_correct).groupby(groups.to_numpy()):
        low, high = wilson_interval(int(members.sum()), len(members))
        rows.append(
            {
                "group": group,
                "accuracy": members.mean(),
                "low": low,
                "high": high,
                "reviews": len(members),
            }
        )
    return pd.DataFrame(rows)
