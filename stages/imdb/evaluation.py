"""How good is a classifier, and how sure are we? Pure functions on labels and probabilities.

Shapes: labels int64 [reviews], the numbers of the classes, 0 bad and 1 good; probabilities float
[reviews × classes], or [seeds × reviews × classes] where a network was trained from several seeds.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import softmax
from scipy.stats import binomtest
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

Floats = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.int64]

CONFIDENCE = 0.95
BINS = 10  # of the reliability diagram
POINTS = 201  # of a curve: smooth to the eye, small in git


def correct(labels: Labels, probabilities: Floats) -> npt.NDArray[np.bool_]:
    """Whether each rating is right, bool [reviews] or [seeds × reviews]."""
    return probabilities.argmax(axis=-1) == labels


def one_against_rest(labels: Labels, probabilities: Floats) -> tuple[Labels, Floats]:
    """The ratings [reviews × classes] as answers to questions of yes or no, as curves need them.

    Of two classes: is it the second? Of more: is it this one, for each of them in turn, all in one
    list (micro-averaging).

    Returns:
        What is true, int64 [questions], 1 for yes; and the probability of yes, [questions].
    """
    classes = probabilities.shape[1]
    if classes == 2:
        return labels, probabilities[:, 1]
    yes = labels[:, None] == np.arange(classes)
    return yes.ravel().astype(np.int64), probabilities.ravel()


def pooled(ratings: Sequence[Floats]) -> Floats:
    """What models say together, each with one vote: the mean of their log-probabilities.

    The logarithmic opinion pool (Genest & Zidek 1986): with two classes the mean of the logits. A
    model that is sure moves it further than one that is not.

    Args:
        ratings: of each model, [reviews × classes].

    Returns:
        [reviews × classes], each row adding up to 1.
    """
    tiny = np.finfo(np.float32).eps  # nobody is surer than the digits can tell
    mean = np.mean([np.log(np.maximum(rating, tiny)) for rating in ratings], axis=0)
    return np.asarray(softmax(mean, axis=1))


def interval(right: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a proportion (Wilson 1927)."""
    low, high = binomtest(right, total).proportion_ci(CONFIDENCE, method="wilson")
    return float(low), float(high)


def calibration(true: Labels, said: Floats) -> pd.DataFrame:
    """The reliability diagram: of the reviews rated 0.8 or so, are 80 % good?

    Args:
        true, said: see `one_against_rest`.

    Returns:
        A row a non-empty bin of equal width: probability (mean), share (that is true), reviews.
    """
    bins = np.minimum((said * BINS).astype(int), BINS - 1)
    table = pd.DataFrame({"bin": bins, "probability": said, "true": true})
    grouped = table.groupby("bin")
    return grouped.agg(
        probability=("probability", "mean"), share=("true", "mean"), reviews=("true", "size")
    ).reset_index(drop=True)


def calibration_error(true: Labels, said: Floats) -> float:
    """The expected calibration error (Guo et al. 2017, equation 3), of `one_against_rest`."""
    bins = calibration(true, said)
    gap = (bins["probability"] - bins["share"]).abs()
    return float(np.average(gap, weights=bins["reviews"]))


def confusion(labels: Labels, probabilities: Floats, classes: Sequence[str]) -> pd.DataFrame:
    """How often each class was taken for each: truly, rated, reviews."""
    rated = probabilities.argmax(axis=1)
    counts = confusion_matrix(labels, rated, labels=range(len(classes)))
    rows = [
        (truly, rated, int(counts[i, j]))
        for i, truly in enumerate(classes)
        for j, rated in enumerate(classes)
    ]
    return pd.DataFrame(rows, columns=["truly", "rated", "reviews"])


def summary(labels: Labels, probabilities: Floats) -> dict[str, Any]:
    """The figures of one model, means over its seeds.

    The interval of `acc` covers seeds and reviews (`bootstrap`).
    """
    right = correct(labels, probabilities)
    if len(right) > 1:
        low, high = np.quantile(bootstrap(right), _TAILS)
    else:
        low, high = interval(int(right.sum()), right.size)
    answers = [one_against_rest(labels, rated) for rated in probabilities]
    return {
        "acc": float(right.mean()),
        "acc_low": float(low),
        "acc_high": float(high),
        "acc_by_seed": [float(mean) for mean in right.mean(axis=1)],
        "auc": float(np.mean([roc_auc_score(*each) for each in answers])),
        "ap": float(np.mean([average_precision_score(*each) for each in answers])),
        "ece": float(np.mean([calibration_error(*each) for each in answers])),
    }


_TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
RESAMPLES = 10_000


def bootstrap(values: npt.NDArray[Any], resamples: int = RESAMPLES) -> Floats:
    """The mean of `values` [seeds, reviews] under resampling of both seeds and reviews.

    Each resample draws as many reviews and as many seeds as there are, with replacement (Efron &
    Tibshirani 1993); what it shows is how far the mean would move with other reviews and seeds.

    Returns:
        float64 [resamples], from a generator of fixed seed.
    """
    generator = np.random.default_rng(0)
    seeds, reviews = values.shape
    # Reviews with the same column of values are interchangeable: draw how often each kind occurs,
    # one multinomial, instead of 25,000 single reviews a resample.
    kinds, counts = np.unique(values.astype(np.int8).T, axis=0, return_counts=True)
    drawn = generator.multinomial(reviews, counts / reviews, size=resamples)
    by_seed = drawn @ kinds / reviews  # resamples × seeds
    chosen = generator.integers(seeds, size=(resamples, seeds))
    return np.asarray(np.take_along_axis(by_seed, chosen, axis=1).mean(axis=1))


def gain(better: npt.NDArray[np.bool_], base: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """The gain in accuracy of one model over another, with its 95 % interval, in points.

    Args:
        better, base: whether each rating is right, bool [seeds, reviews]; the same seeds and
            reviews in the same order, so that the bootstrap is paired.
    """
    difference = better.astype(np.int8) - base.astype(np.int8)
    low, high = np.quantile(bootstrap(difference), _TAILS)
    return 100 * float(difference.mean()), 100 * float(low), 100 * float(high)


def mcnemar(better: npt.NDArray[np.bool_], base: npt.NDArray[np.bool_]) -> float:
    """The exact p-value of McNemar's test (1947): could the two be equally good? bool [reviews]."""
    only_better = int((better & ~base).sum())
    discordant = int((better ^ base).sum())
    return float(binomtest(only_better, discordant).pvalue) if discordant else 1.0


def roc(true: Labels, said: Floats) -> pd.DataFrame:
    """The ROC curve of `one_against_rest`: false_positive_rate, true_positive_rate."""
    false_positive, true_positive, _ = roc_curve(true, said)
    grid = np.linspace(0, 1, POINTS)
    return pd.DataFrame(
        {
            "false_positive_rate": grid,
            "true_positive_rate": np.interp(grid, false_positive, true_positive),
        }
    )


def precision_recall(true: Labels, said: Floats) -> pd.DataFrame:
    """The precision–recall curve of `one_against_rest`: recall, precision."""
    precision, recall, _ = precision_recall_curve(true, said)
    grid = np.linspace(0, 1, POINTS)
    return pd.DataFrame(
        {"recall": grid, "precision": np.interp(grid, recall[::-1], precision[::-1])}
    )


def accuracy_by(groups: "pd.Series[Any]", right: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """Accuracy, its 95 % interval and the number of reviews, by group."""
    rows = []
    for group, members in pd.Series(right).groupby(groups.to_numpy(), observed=True):
        low, high = interval(int(members.sum()), len(members))
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
