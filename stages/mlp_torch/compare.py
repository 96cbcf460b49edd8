"""Stage: how many digits the losses of the PyTorch versions share with project 1's."""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.common.errors import run
from stages.common.files import write_json
from stages.common.progress import say
from stages.mlp_numpy.differences import digits
from stages.mlp_numpy.series import curve


def gaps(numpy: Path, torch: list[Path]) -> NDArray[np.float64]:
    """For each epoch, the largest difference of any PyTorch version's loss from project 1's."""
    losses = curve(numpy, "train/loss")
    differences = np.array([np.abs(curve(live, "train/loss") - losses) for live in torch])
    largest: NDArray[np.float64] = differences.max(axis=0)
    return largest


def main() -> None:
    """Read the curves, write the digits that agree in every epoch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--numpy", type=Path, required=True, help="project 1's live directory")
    parser.add_argument("--torch", type=Path, nargs="+", required=True, help="project 2's")
    parser.add_argument("--metrics", type=Path, required=True, help="JSON to write")
    arguments = parser.parse_args()

    relative = gaps(arguments.numpy, arguments.torch) / curve(arguments.numpy, "train/loss")
    agree = digits(float(relative.max()))
    say(f"losses of the PyTorch versions: {agree} digits agree with those by hand in every epoch")
    write_json(arguments.metrics, {"loss_digits": agree})


if __name__ == "__main__":
    run(main)
