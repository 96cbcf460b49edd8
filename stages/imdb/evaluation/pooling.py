"""Combine the predictions of several models. This module imports nothing that is slow to import."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

Floats = npt.NDArray[np.floating[Any]]


def log_opinion_pool(probabilities: Sequence[Floats]) -> Floats:
    """Combine models by the mean of their log-probabilities.

    This is the logarithmic opinion pool (Genest & Zidek 1986). With two classes it is the mean of
    the logits, so a confident model moves it further than an unsure one.

    Args:
        probabilities: Of each model, [reviews × classes].

    Returns:
        [reviews × classes]; each row sums to 1.
    """
    eps = np.finfo(np.float32).eps  # a probability rounded to 0 must not outvote all other models
    mean = np.mean([np.log(np.maximum(each, eps)) for each in probabilities], axis=0)
    return np.asarray(softmax(mean, axis=1))
