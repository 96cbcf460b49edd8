"""Five classic sets of points in the plane that a straight line cannot part (blobs excepted)."""

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import make_blobs, make_circles, make_moons
from sklearn.model_selection import train_test_split

Points = tuple[NDArray[np.float64], NDArray[np.int64]]


def generate(kind: str, size: int, noise: float, classes: int, seed: int) -> Points:
    """Make points of the given kind; all have coordinates of order one.

    Args:
        kind: moons, circles, blobs, spirals or xor.
        size: number of points, over all classes.
        noise: standard deviation of the Gaussian noise on each coordinate, in their units.
        classes: number of classes of blobs and spirals; the other kinds have two.
        seed: the same seed gives the same points.

    Returns:
        X of shape (size, 2), float64, and the labels of shape (size,), int64, from 0 up.

    Raises:
        ValueError: for a kind that is none of these.
    """
    if kind == "moons":
        X, labels = make_moons(size, noise=noise, random_state=seed)
    elif kind == "circles":
        X, labels = make_circles(size, noise=noise, factor=0.5, random_state=seed)
    elif kind == "blobs":
        angle = 2 * np.pi * np.arange(classes) / classes
        centers = np.column_stack([np.cos(angle), np.sin(angle)])
        X, labels = make_blobs(size, centers=centers, cluster_std=noise, random_state=seed)
    elif kind == "spirals":
        X, labels = _spirals(size, noise, classes, np.random.default_rng(seed))
    elif kind == "xor":
        X, labels = _xor(size, noise, np.random.default_rng(seed))
    else:
        raise ValueError(f"unknown kind of points: {kind!r}")
    return X, labels.astype(np.int64)


def _spirals(size: int, noise: float, classes: int, rng: np.random.Generator) -> Points:
    """One arm a class, each three quarters of a turn, from near the centre out to radius 1."""
    labels = np.arange(size) % classes
    # The root spreads the points evenly along the arm: it is longer where it is farther out.
    radius = np.sqrt(rng.uniform(0.02, 1, size))
    angle = 2 * np.pi * (0.75 * radius + labels / classes)
    X = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return X + noise * rng.standard_normal(X.shape), labels


def _xor(size: int, noise: float, rng: np.random.Generator) -> Points:
    """A square of two by two fields: the class is whether the signs of x1 and x2 differ."""
    X = rng.uniform(-1, 1, (size, 2))
    labels = ((X[:, 0] > 0) != (X[:, 1] > 0)).astype(np.int64)
    return X + noise * rng.standard_normal(X.shape), labels


def split(points: Points, test: float, seed: int) -> tuple[Points, Points]:
    """Part points into train and test, with each class in both in the same proportion."""
    X, labels = points
    X_train, X_test, train_labels, test_labels = train_test_split(
        X, labels, test_size=test, random_state=seed, stratify=labels
    )
    return (X_train, train_labels), (X_test, test_labels)
