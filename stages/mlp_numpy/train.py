"""Stage: train the hand-written network on points in the plane."""

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from stages.common.errors import run
from stages.common.params import load
from stages.mlp_numpy import record
from stages.mlp_numpy.model import (
    ACTIVATIONS,
    Array,
    Weights,
    fit,
    forward,
    initial,
    one_hot,
    schedule,
)
from stages.mlp_numpy.params import MLP
from stages.mlp_numpy.weights import save


def main() -> None:
    """Read points and parameters, train, write the weights, their history and the metrics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, required=True, help="CSV: x1, x2, label")
    parser.add_argument("--test", type=Path, required=True, help="CSV: x1, x2, label")
    parser.add_argument("--model", type=Path, required=True, help="safetensors to write")
    parser.add_argument("--history", type=Path, required=True, help="the same after each epoch")
    parser.add_argument("--live", type=Path, required=True, help="directory for the curves")
    parser.add_argument("--metrics", type=Path, required=True, help="JSON to write")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    arguments = parser.parse_args()

    mlp = load(arguments.params, "mlp", MLP)
    data = record.read(arguments.train, arguments.test, mlp.batch)
    rng = np.random.default_rng(mlp.seed)
    weights = initial(data.X.shape[1], mlp.hidden, data.classes, rng)
    order = schedule(len(data.X), mlp.batch, mlp.epochs, rng)
    Y = one_hot(data.labels, data.classes)
    history = [weights]

    def epochs() -> Iterator[record.Epoch]:
        for loss, W in fit(
            data.X, Y, weights, mlp.activation, order, mlp.learning_rate, mlp.momentum
        ):
            history.append(Weights(*(array.copy() for array in W)))
            yield record.Epoch(loss, partial(log_probabilities, W, mlp.activation), W)

    last = record.record(epochs(), data, arguments.live, arguments.metrics, "numpy")
    save(arguments.model, last.weights, mlp.activation)
    # Each array gains a first axis: the epoch, 0 being before training.
    stacked = Weights(*(np.stack(arrays) for arrays in zip(*history, strict=True)))
    save(arguments.history, stacked, mlp.activation)


def log_probabilities(weights: Weights, activation: str, X: Array) -> Array:
    """The logarithm of the class probabilities of X, of shape (m, C)."""
    return forward(X, *weights, ACTIVATIONS[activation].phi)[1]


if __name__ == "__main__":
    run(main)
