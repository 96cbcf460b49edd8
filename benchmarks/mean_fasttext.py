"""The contender of `benchmarks.mean`: fastText, in its own environment.

It trains once and prints a line of JSON: the seconds of the training, which include reading the
text, and the accuracy on the validation reviews.
"""

import argparse
import json
import time
from pathlib import Path

import fasttext


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path, help="one review per line, its label first")
    parser.add_argument("validation", type=Path)
    parser.add_argument("--dim", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--lr", type=float, required=True)
    args = parser.parse_args()
    start = time.perf_counter()
    model = fasttext.train_supervised(
        str(args.train),
        dim=args.dim,
        epoch=args.epochs,
        thread=args.threads,
        lr=args.lr,
        verbose=0,
    )
    seconds = time.perf_counter() - start
    accuracy = model.test(str(args.validation))[1]
    print(json.dumps({"seconds": seconds, "accuracy": accuracy}))


if __name__ == "__main__":
    main()
