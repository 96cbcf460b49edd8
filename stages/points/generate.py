"""Five classic data sets of points in the plane; no straight line separates any but blobs."""

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import make_blobs, make_circles, make_moons
from sklearn.model_selection import train_test_split

LabeledPoints = tuple[NDArray[np.float64], NDArray[np.int64]]  # X (n_samples, 2), labels


def generate(
    dataset: str, n_samples: int, noise: float, n_classes: int, seed: int
) -> LabeledPoints:
    """Generate points whose coordinates are of order one.

    Args:
        dataset: moons, circles, blobs, spirals or xor.
        n_samples: Total number of points.
        noise: Standard deviation of the Gaussian noise added to each coordinate.
        n_classes: Number of classes of blobs and spirals. The other data sets have two.
        seed: The same seed gives the same points.

    Returns:
        X of shape (n_samples, 2), float64, and the labels of shape (n_samples,), int64, from 0 to
        n_classes - 1.

    Raises:
        ValueError: If the data set is unknown.
    """
    if dataset == "moons":
        X, labels = make_moons(n_samples, noise=noise, random_state=seed)
    elif dataset == "circles":
        X, labels = make_circles(n_samples, noise=noise, factor=0.5, random_state=seed)
    elif dataset == "blobs":
        angle = 2 * np.pi * np.arange(n_classes) / n_classes
        centers = np.column_stack([np.cos(angle), np.sin(angle)])
        X, labels = make_blobs(n_samples, centers=centers, cluster_std=noise, random_state=seed)
    elif dataset == "spirals":
        X, labels = _spirals(n_samples, noise, n_classes, np.random.default_rng(seed))
    elif dataset == "xor":
        X, labels = _xor(n_samples, noise, np.random.default_rng(seed))
    else:
        raise ValueError(f"unknown data set: {dataset!r}")
    return X, labels.astype(np.int64)


def _spirals(
    n_samples: int, noise: float, n_classes: int, rng: np.random.Generator
) -> LabeledPoints:
    """Return one arm per class: almost two thirds of a turn, from near the center to radius 1."""
    labels = np.arange(n_samples) % n_classes
    # The outer part of an arm is longer. The square root spreads the points more evenly.
    radius = np.sqrt(rng.uniform(0.02, 1, n_samples))
    angle = 2 * np.pi * (0.75 * radius + labels / n_classes)
    X = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return X + noise * rng.standard_normal(X.shape), labels


def _xor(n_samples: int, noise: float, rng: np.random.Generator) -> LabeledPoints:
    """Return points of a square; the class is 1 where the signs differ, before the noise."""
    X = rng.uniform(-1, 1, (n_samples, 2))
    labels = ((X[:, 0] > 0) != (X[:, 1] > 0)).astype(np.int64)
    return X + noise * rng.standard_normal(X.shape), labels


def split(
    X: NDArray[np.float64], labels: NDArray[np.int64], test_size: float, seed: int
) -> tuple[LabeledPoints, LabeledPoints]:
    """Split points into a training and a test set with the same class proportions.

    Args:
        X: Points of shape (m, 2).
        labels: Their classes, of shape (m,).
        test_size: Fraction of the points in the test set.
        seed: The same seed gives the same split.

    Returns:
        The points and classes of the training set, and those of the test set.

    Raises:
        ValueError: If one of the sets would have fewer points than there are classes, or a class
            has only one point.
    """
    X_train, X_test, train_labels, test_labels = train_test_split(
        X, labels, test_size=test_size, random_state=seed, stratify=labels
    )
    return (X_train, train_labels), (X_test, test_labels)
