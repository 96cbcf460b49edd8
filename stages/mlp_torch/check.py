"""Stage: check the hand-written gradients, and compare the losses of the PyTorch versions."""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.common.errors import run_main
from stages.common.files import write_json
from stages.common.params import load_params
from stages.common.progress import log
from stages.mlp_numpy.gradcheck import gradcheck_error, matching_digits
from stages.mlp_numpy.history import max_loss_difference, read_history
from stages.mlp_numpy.model import ACTIVATIONS, Array, Weights, init_weights, one_hot
from stages.mlp_numpy.params import MLP
from stages.mlp_torch.autograd import autograd_error
from stages.points.csv_io import read_points

MAX_SAMPLES = 200  # a numerical derivative takes six forward passes per element
JITTER = 0.1  # standard deviation of the random shifts; that of the samples is 1
MAX_HIDDEN = 16  # with many more units, every sample is near some unit's kink of ReLU


def gradient_digits(X: Array, labels: NDArray[np.int64], weights: Weights) -> dict[str, int]:
    """Return the matching digits of `backward`, the fewest over all activations.

    The gradients are computed at random points near the scaled samples: samples without noise can
    be symmetric, so that a gradient is zero except for rounding, or all lie at a kink of ReLU.

    Args:
        X: Samples of shape (m, n), float64.
        labels: Their classes, of shape (m,).
        weights: Weights at which to compute the gradients.

    Returns:
        The digits that match numerical derivatives ("differences") and autograd ("autograd").
    """
    X = (X - X.mean()) / (X.std() or 1.0)
    X = X + JITTER * np.random.default_rng(0).standard_normal(X.shape)
    Y = one_hot(labels, len(weights.b2))
    differences = max(gradcheck_error(X, Y, weights, name) for name in ACTIVATIONS)
    autograd = max(autograd_error(X, labels, weights, name) for name in ACTIVATIONS)
    return {"differences": matching_digits(differences), "autograd": matching_digits(autograd)}


def loss_digits(numpy: Path, torch: list[Path]) -> int:
    """Return the number of digits of the training loss that match in every epoch.

    Args:
        numpy: Live folder of project 1.
        torch: Live folders of the PyTorch versions.
    """
    difference = max_loss_difference(numpy, torch)
    scale = np.maximum(read_history(numpy, "train/loss"), difference)
    # The loss of a probability near 1 is rounded to this precision, also if it is 0.
    is_rounding = difference < np.finfo(np.float64).eps
    relative = np.divide(difference, scale, out=np.zeros_like(scale), where=~is_rounding)
    return matching_digits(float(relative.max()))


def main() -> None:
    """Write the number of matching digits of the gradients and of the losses."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, required=True, help="CSV: x1, x2, label")
    parser.add_argument("--numpy", type=Path, required=True, help="live folder of project 1")
    parser.add_argument("--torch", type=Path, nargs="+", required=True, help="of project 2")
    parser.add_argument("--gradients", type=Path, required=True, help="JSON to write")
    parser.add_argument("--losses", type=Path, required=True, help="JSON to write")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    args = parser.parse_args()

    mlp = load_params(args.params, "mlp", MLP)
    X, labels, n_classes = read_points(args.train)
    hidden_size = min(mlp.hidden_size, MAX_HIDDEN)
    weights = init_weights(X.shape[1], hidden_size, n_classes, np.random.default_rng(mlp.seed))
    gradients = gradient_digits(X[:MAX_SAMPLES], labels[:MAX_SAMPLES], weights)
    losses = loss_digits(args.numpy, args.torch)
    write_json(args.gradients, {"gradient_digits": gradients})
    write_json(args.losses, {"loss_digits": losses})
    log(
        f"hand-written gradients: {gradients['differences']} digits match numerical derivatives,"
        f" {gradients['autograd']} match autograd"
    )
    log(f"losses of the PyTorch versions: {losses} digits match project 1 in every epoch")


if __name__ == "__main__":
    run_main(main)
