"""Stage: the proof in numbers that the hand-written gradients are right."""

import argparse
from pathlib import Path

import numpy as np

from stages.common.errors import run
from stages.common.files import write_json
from stages.common.params import load
from stages.common.progress import say
from stages.mlp_numpy import differences
from stages.mlp_numpy.model import ACTIVATIONS, initial, one_hot
from stages.mlp_numpy.params import MLP
from stages.mlp_torch import autograd
from stages.points import table

SAMPLES = 200  # of the training points: differences take a forward pass for each entry and step
HIDDEN = 16  # units at most: of many more, one has its kink of ReLU near every sample


def main() -> None:
    """Compare `backward` with differences of the loss and with autograd, for every activation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, required=True, help="CSV: x1, x2, label")
    parser.add_argument("--metrics", type=Path, required=True, help="JSON to write")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    arguments = parser.parse_args()

    mlp = load(arguments.params, "mlp", MLP)
    X, labels, classes = table.read(arguments.train)
    hidden = min(mlp.hidden, HIDDEN)
    weights = initial(X.shape[1], hidden, classes, np.random.default_rng(mlp.seed))
    X, labels = X[:SAMPLES], labels[:SAMPLES]
    Y = one_hot(labels, classes)
    by_differences = [differences.gradient_error(X, Y, weights, phi) for phi in ACTIVATIONS]
    by_autograd = [autograd.gradient_error(X, labels, weights, phi) for phi in ACTIVATIONS]
    digits = {
        "differences": differences.digits(max(by_differences)),
        "autograd": differences.digits(max(by_autograd)),
    }
    say(
        f"gradients by hand: {digits['differences']} digits agree with differences of the loss,"
        f" {digits['autograd']} with autograd"
    )
    write_json(arguments.metrics, {"gradient_digits": digits})


if __name__ == "__main__":
    run(main)
