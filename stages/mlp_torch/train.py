"""Stage: train one of the three PyTorch versions, as the hand-written network was trained."""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stages.common.errors import run
from stages.common.params import load
from stages.mlp_numpy import model, record
from stages.mlp_numpy.model import Array
from stages.mlp_numpy.params import MLP
from stages.mlp_numpy.weights import save
from stages.mlp_torch import by_hand, module, sequential

VERSIONS = {"by_hand": by_hand.fit, "sequential": sequential.fit, "module": module.fit}


def main() -> None:
    """Read points and parameters, train, write the weights and the metrics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version", choices=VERSIONS)
    parser.add_argument("--train", type=Path, required=True, help="CSV: x1, x2, label")
    parser.add_argument("--test", type=Path, required=True, help="CSV: x1, x2, label")
    parser.add_argument("--model", type=Path, required=True, help="safetensors to write")
    parser.add_argument("--live", type=Path, required=True, help="directory for the curves")
    parser.add_argument("--metrics", type=Path, required=True, help="JSON to write")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    arguments = parser.parse_args()

    mlp = load(arguments.params, "mlp", MLP)
    data = record.read(arguments.train, arguments.test, mlp.batch)
    torch.set_num_threads(1)  # the arrays are small, and sums come out the same on any machine
    # The same generator in the same order as project 1: the same weights, the same batches.
    rng = np.random.default_rng(mlp.seed)
    W1, b1, W2, b2 = map(
        torch.from_numpy, model.initial(data.X.shape[1], mlp.hidden, data.classes, rng)
    )
    order = model.schedule(len(data.X), mlp.batch, mlp.epochs, rng)

    def epochs() -> Iterator[record.Epoch]:
        for loss, network, weights in VERSIONS[arguments.version](
            torch.from_numpy(data.X),
            torch.from_numpy(data.labels),
            (W1, b1, W2, b2),
            mlp.activation,
            ([torch.from_numpy(rows) for rows in batches] for batches in order),
            mlp.learning_rate,
            mlp.momentum,
        ):
            arrays = model.Weights(*(W.detach().numpy() for W in weights))
            yield record.Epoch(loss, partial(log_probabilities, network), arrays)

    last = record.record(epochs(), data, arguments.live, arguments.metrics, arguments.version)
    save(arguments.model, last.weights, mlp.activation)


def log_probabilities(network: Callable[[Tensor], Tensor], X: Array) -> Array:
    """The logarithm of the class probabilities of X, of shape (m, C)."""
    with torch.no_grad():
        return network(torch.from_numpy(X)).log_softmax(dim=1).numpy()


if __name__ == "__main__":
    run(main)
