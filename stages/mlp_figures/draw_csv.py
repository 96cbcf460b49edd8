"""Train the NumPy network on the points of a CSV file and draw the result.

The file has the columns x1, x2 and label. The labels can be numbers or words. The command splits
the points into training and test points and writes input_data.png, loss_accuracy.png and
boundary.png. Hyperparameters come from params.yaml; options override them.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from stages.common.errors import UserError, run_main
from stages.common.params import load_params
from stages.common.progress import log
from stages.mlp_figures.boundary import boundary_figure
from stages.mlp_figures.losses import loss_accuracy_figure, read_curves
from stages.mlp_figures.points import COLORS, points_figure
from stages.mlp_numpy.history import Dataset, train_and_log
from stages.mlp_numpy.model import ACTIVATIONS, Weights
from stages.mlp_numpy.params import MLP
from stages.mlp_numpy.train import train
from stages.plotting.style import save_png
from stages.plotting.text import escape_math, printable_classes, shorten
from stages.points.csv_io import read_points_with_class_names
from stages.points.generate import split
from stages.points.params import Points

MAX_NAME_CHARS = 16  # of a class in a legend


def load_and_split(path: Path, test_size: float, seed: int) -> tuple[Dataset, list[str]]:
    """Read points and split them into training and test points.

    Returns:
        The points, and the names of their classes for the legends.

    Raises:
        UserError: If the file is wrong, or a network cannot be trained on its points or drawn.
    """
    X, labels, names = read_points_with_class_names(path)
    if len(names) > len(COLORS):
        raise UserError(
            f"{path}: column label: {len(names)} different labels; the pictures have colors for at"
            f" most {len(COLORS)}"
        )
    counts = np.bincount(labels)
    if counts.min() < 2:
        raise UserError(
            f"{path}: column label: {names[counts.argmin()]} has only one point; each class needs"
            " at least two, one for training and one for the test"
        )
    try:
        (X, labels), (X_test, test_labels) = split(X, labels, test_size, seed)
    except ValueError:  # fewer points in one part than classes
        raise UserError(
            f"{path}: {len(X)} points cannot be split into training and test points of all"
            f" {len(names)} classes; add points or choose a test size nearer 0.5"
        ) from None
    shown = [legend_name(name) for name in printable_classes(names)]
    return Dataset(X, labels, X_test, test_labels, len(shown)), shown


def standardize(data: Dataset) -> tuple[Dataset, NDArray[np.float64], NDArray[np.float64]]:
    """Give the coordinates of the training points mean 0 and standard deviation 1.

    The test points are shifted and scaled in the same way. A constant coordinate is only shifted.

    Returns:
        The standardized points; the means and the standard deviations, each of shape (2,).
    """
    mean, std = data.X.mean(axis=0), data.X.std(axis=0)
    std[std <= 1e-12 * np.abs(mean)] = 1  # a constant coordinate, up to rounding
    X, X_test = (data.X - mean) / std, (data.X_test - mean) / std
    return data._replace(X=X, X_test=X_test), mean, std


def legend_name(name: str) -> str:
    """Return the name of a class for the legends, which leave out names that start with "_"."""
    return escape_math(shorten(f" {name}" if name.startswith("_") else name, MAX_NAME_CHARS))


def main() -> None:
    """Train the network and write three pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("csv", type=Path, help="file with the columns x1, x2, label")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--test-size", type=float, help="fraction of the points for the test")
    parser.add_argument("--seed", type=int, help="of the split, the weights and the batches")
    parser.add_argument("--hidden-size", type=int, help="units of the hidden layer")
    parser.add_argument("--epochs", type=int, help="passes over the training points")
    parser.add_argument("--activation", choices=ACTIVATIONS)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    args = parser.parse_args()

    points = load_params(args.params, "points", Points)
    mlp = load_params(args.params, "mlp", MLP)
    options = {key: value for key in MLP.model_fields if (value := vars(args).get(key)) is not None}
    try:
        mlp = MLP.model_validate({**mlp.model_dump(), **options})
    except ValidationError as error:
        detail = error.errors()[0]
        parser.error(f"--{str(detail['loc'][0]).replace('_', '-')}: {detail['msg']}")
    test_size = points.test_size if args.test_size is None else args.test_size
    if not 0.05 <= test_size <= 0.95:
        parser.error(f"--test-size: expected a fraction from 0.05 to 0.95, found {test_size}")
    seed = points.seed if args.seed is None else args.seed

    data, names = load_and_split(args.csv, test_size, seed)
    scaled, mean, std = standardize(data)
    live = args.out / "curves"  # DVCLive deletes files such as params.yaml from its folder
    last = train_and_log(
        train(scaled, mlp, []), scaled, live, args.out / "accuracy.json", args.csv.stem
    )
    # Z1 = (X - mean) / std @ W1 + b1, rearranged for points in their own units.
    W1 = last.weights.W1 / std[:, None]
    weights = Weights(W1, last.weights.b1 - mean @ W1, last.weights.W2, last.weights.b2)
    X, labels, X_test, test_labels, _ = data
    figures = {
        "input_data": points_figure(X, labels, X_test, test_labels, names),
        "loss_accuracy": loss_accuracy_figure(read_curves(live)),
        "boundary": boundary_figure(weights, mlp.activation, X_test, test_labels, names),
    }
    for name, figure in figures.items():
        save_png(figure, args.out / f"{name}.png")
    log(f"{', '.join(f'{name}.png' for name in figures)} are in {args.out}")


if __name__ == "__main__":
    run_main(main)
