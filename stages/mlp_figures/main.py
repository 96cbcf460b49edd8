"""Stage: draw the figures of projects 1 and 2."""

import argparse
from pathlib import Path

from stages.common.errors import run_main
from stages.mlp_figures.boundary import boundaries_figure, boundary_figure, save_animation
from stages.mlp_figures.equation_sheets import backward_figure, forward_figure
from stages.mlp_figures.losses import (
    VERSION_NAMES,
    loss_accuracy_figure,
    loss_difference_figure,
    read_curves,
)
from stages.mlp_figures.points import class_names, points_figure
from stages.mlp_numpy.weights import load_weights
from stages.plotting.style import save_png
from stages.points.csv_io import read_points


def main() -> None:
    """Read the points, curves and weights, and write eight pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, required=True, help="CSV: x1, x2, label")
    parser.add_argument("--test", type=Path, required=True, help="CSV: x1, x2, label")
    parser.add_argument("--numpy", type=Path, required=True, help="live folder of project 1")
    parser.add_argument("--torch", type=Path, nargs=3, required=True, help="of project 2")
    parser.add_argument(
        "--models", type=Path, nargs=4, required=True, help="weights, those of project 1 first"
    )
    parser.add_argument("--history", type=Path, required=True, help="weights of every epoch")
    parser.add_argument("--out", type=Path, required=True, help="folder of the pictures")
    args = parser.parse_args()

    X, labels, n_classes = read_points(args.train)
    X_test, test_labels, _ = read_points(args.test, n_classes)
    networks = {VERSION_NAMES[path.stem]: load_weights(path) for path in args.models}
    weights, activation = networks["NumPy"]
    names = class_names(n_classes)
    history, _ = load_weights(args.history)
    figures = {
        "1-input_data": points_figure(X, labels, X_test, test_labels, names),
        "1-BP1": forward_figure(),
        "1-BP2": backward_figure(),
        "1-loss_accuracy": loss_accuracy_figure(read_curves(args.numpy)),
        "1-boundary": boundary_figure(weights, activation, X_test, test_labels, names),
        "2-Pytorch": loss_difference_figure(args.numpy, args.torch),
        "2-boundary": boundaries_figure(networks, X_test, test_labels),
    }
    for name, figure in figures.items():
        save_png(figure, args.out / f"{name}.png")
    save_animation(args.out / "1-training.gif", history, activation, X_test, test_labels)


if __name__ == "__main__":
    run_main(main)
