"""The fastText contender of `benchmarks.mean`; runs in an environment of its own.

Trains once and prints a line of JSON: the seconds that training took, reading the text included,
and the accuracy on the held-out reviews.
"""

import argparse
import json
import time
from pathlib import Path

import fasttext


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path, help="a review a line, its label first")
    parser.add_argument("held_out", type=Path)
    parser.add_argument("--dim", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    args = parser.parse_args()
    start = time.perf_counter()
    model = fasttext.train_supervised(
        str(args.train),
        dim=args.dim,
        epoch=args.epochs,
        thread=args.threads,
        lr=args.rate,
        verbose=0,
    )
    seconds = time.perf_counter() - start
    accuracy = model.test(str(args.held_out))[1]
    print(json.dumps({"seconds": seconds, "accuracy": accuracy}))


if __name__ == "__main__":
    main()
