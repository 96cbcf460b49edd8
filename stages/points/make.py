"""Stage: make points in the plane and part them into train and test."""

import argparse
from pathlib import Path

from stages.common.errors import run
from stages.common.params import load
from stages.common.progress import say
from stages.points import table
from stages.points.generate import generate, split
from stages.points.params import Points


def main() -> None:
    """Read `points:` from the parameters, write two CSV files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, required=True, help="CSV to write")
    parser.add_argument("--test", type=Path, required=True, help="CSV to write")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    arguments = parser.parse_args()

    points = load(arguments.params, "points", Points)
    made = generate(points.kind, points.size, points.noise, points.classes, points.seed)
    train, test = split(made, points.test, points.seed)
    say(f"points: {points.kind}, {len(train[0]):,} to train on and {len(test[0]):,} to test on")
    table.write(arguments.train, *train)
    table.write(arguments.test, *test)


if __name__ == "__main__":
    run(main)
