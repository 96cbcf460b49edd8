"""Stage: train the hand-written network on points in the plane."""

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from stages.common.errors import run_main
from stages.common.params import load_params
from stages.mlp_numpy.history import Dataset, EpochResult, load_data, train_and_log
from stages.mlp_numpy.model import (
    ACTIVATIONS,
    Array,
    Weights,
    fit,
    forward,
    init_weights,
    minibatches,
    one_hot,
)
from stages.mlp_numpy.params import MLP
from stages.mlp_numpy.weights import save_weights


def main() -> None:
    """Train the network and write its weights, their history, the curves and the metrics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, required=True, help="CSV: x1, x2, label")
    parser.add_argument("--test", type=Path, required=True, help="CSV: x1, x2, label")
    parser.add_argument("--model", type=Path, required=True, help="safetensors to write")
    parser.add_argument(
        "--history", type=Path, required=True, help="safetensors to write: weights of every epoch"
    )
    parser.add_argument("--live", type=Path, required=True, help="folder for the curves")
    parser.add_argument("--metrics", type=Path, required=True, help="JSON to write")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    args = parser.parse_args()

    mlp = load_params(args.params, "mlp", MLP)
    data = load_data(args.train, args.test, mlp.batch_size)
    history: list[Weights] = []
    last = train_and_log(train(data, mlp, history), data, args.live, args.metrics, "numpy")
    save_weights(args.model, last.weights, mlp.activation)
    # The first axis of each array is the epoch; epoch 0 is before training.
    stacked = Weights(*(np.stack(arrays) for arrays in zip(*history, strict=True)))
    save_weights(args.history, stacked, mlp.activation)


def train(data: Dataset, mlp: MLP, history: list[Weights]) -> Iterator[EpochResult]:
    """Train the network and yield its state after each epoch.

    Args:
        data: Points, of which the training points are used.
        mlp: Hyperparameters.
        history: List to which the initial weights and those after each epoch are appended.
    """
    rng = np.random.default_rng(mlp.seed)
    weights = init_weights(data.X.shape[1], mlp.hidden_size, data.n_classes, rng)
    history.append(weights)
    epoch_batches = minibatches(len(data.X), mlp.batch_size, mlp.epochs, rng)
    Y = one_hot(data.labels, data.n_classes)
    for loss, trained in fit(
        data.X, Y, weights, mlp.activation, epoch_batches, mlp.learning_rate, mlp.momentum
    ):
        history.append(Weights(*(W.copy() for W in trained)))
        yield EpochResult(loss, partial(log_probabilities, trained, mlp.activation), trained)


def log_probabilities(weights: Weights, activation: str, X: Array) -> Array:
    """Return the logarithms of the class probabilities of X, of shape (m, C)."""
    return forward(X, *weights, ACTIVATIONS[activation].phi)[1]


if __name__ == "__main__":
    run_main(main)
