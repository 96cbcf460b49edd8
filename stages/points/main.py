"""Stage: generate points in the plane and split them into a training and a test set."""

import argparse
from pathlib import Path

from stages.common.errors import run_main
from stages.common.params import load_params
from stages.common.progress import log
from stages.points.csv_io import write_points
from stages.points.generate import generate, split
from stages.points.params import Points


def main() -> None:
    """Generate the points of the section `points` of the parameters and write two CSV files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, required=True, help="CSV to write")
    parser.add_argument("--test", type=Path, required=True, help="CSV to write")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    args = parser.parse_args()

    params = load_params(args.params, "points", Points)
    X, labels = generate(
        params.dataset, params.n_samples, params.noise, params.n_classes, params.seed
    )
    train, test = split(X, labels, params.test_size, params.seed)
    write_points(args.train, *train)
    write_points(args.test, *test)
    log(f"points: {params.dataset}, {len(train[0]):,} training and {len(test[0]):,} test points")


if __name__ == "__main__":
    run_main(main)
