"""Stage: train one of the three PyTorch versions in the same way as the hand-written network."""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stages.common.errors import run_main
from stages.common.params import load_params
from stages.mlp_numpy import model
from stages.mlp_numpy.history import Dataset, EpochResult, load_data, train_and_log
from stages.mlp_numpy.model import Array
from stages.mlp_numpy.params import MLP
from stages.mlp_numpy.weights import save_weights
from stages.mlp_torch import by_hand, module, sequential

VERSIONS = {"by_hand": by_hand.fit, "sequential": sequential.fit, "module": module.fit}


def main() -> None:
    """Train the network and write its weights, the curves and the metrics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version", choices=VERSIONS)
    parser.add_argument("--train", type=Path, required=True, help="CSV: x1, x2, label")
    parser.add_argument("--test", type=Path, required=True, help="CSV: x1, x2, label")
    parser.add_argument("--model", type=Path, required=True, help="safetensors to write")
    parser.add_argument("--live", type=Path, required=True, help="folder for the curves")
    parser.add_argument("--metrics", type=Path, required=True, help="JSON to write")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    args = parser.parse_args()

    mlp = load_params(args.params, "mlp", MLP)
    data = load_data(args.train, args.test, mlp.batch_size)
    # The arrays are small, and the order of summation must not depend on the machine.
    torch.set_num_threads(1)
    results = train(args.version, data, mlp)
    last = train_and_log(results, data, args.live, args.metrics, args.version)
    save_weights(args.model, last.weights, mlp.activation)


def train(version: str, data: Dataset, mlp: MLP) -> Iterator[EpochResult]:
    """Train a version of the network and yield its state after each epoch.

    The initial weights and the batches are those of project 1.

    Args:
        version: A key of VERSIONS.
        data: Points, of which the training points are used.
        mlp: Hyperparameters.
    """
    # Random numbers are drawn in the same order as in project 1.
    rng = np.random.default_rng(mlp.seed)
    W1, b1, W2, b2 = map(
        torch.from_numpy,
        model.init_weights(data.X.shape[1], mlp.hidden_size, data.n_classes, rng),
    )
    epoch_batches = model.minibatches(len(data.X), mlp.batch_size, mlp.epochs, rng)
    for loss, network, trained in VERSIONS[version](
        torch.from_numpy(data.X),
        torch.from_numpy(data.labels),
        (W1, b1, W2, b2),
        mlp.activation,
        ([torch.from_numpy(indices) for indices in batches] for batches in epoch_batches),
        mlp.learning_rate,
        mlp.momentum,
    ):
        weights = model.Weights(*(W.detach().numpy() for W in trained))
        yield EpochResult(loss, partial(log_probabilities, network), weights)


def log_probabilities(network: Callable[[Tensor], Tensor], X: Array) -> Array:
    """Return the logarithms of the class probabilities of X, of shape (m, C)."""
    with torch.no_grad():
        return network(torch.from_numpy(X)).log_softmax(dim=1).numpy()


if __name__ == "__main__":
    run_main(main)
