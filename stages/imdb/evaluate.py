"""Stage: judge one model by its ratings of the test reviews."""

import argparse
from itertools import pairwise
from pathlib import Path

import pandas as pd

from stages.common.errors import run
from stages.common.files import write_csv, write_json
from stages.common.progress import say
from stages.imdb import evaluation
from stages.imdb.predictions import read, test_index

LENGTHS = [0, 100, 150, 200, 300, 500, float("inf")]  # words


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--reviews", type=Path, required=True)
    parser.add_argument("--metrics", type=Path, required=True)
    parser.add_argument("--curves", type=Path, required=True, help="folder of the plots' series")
    args = parser.parse_args()

    predictions = read(args.predictions)
    index = test_index(args.reviews, predictions)
    labels = index["label"].to_numpy("int64")
    summary = evaluation.summary(labels, predictions.probabilities)
    short = {name: round(summary[name], 4) for name in ("acc", "auc", "ece")}
    write_json(args.metrics, {predictions.model: short})

    first = predictions.probabilities[0]
    right = evaluation.correct(labels, first)
    length = pd.cut(index["words"], LENGTHS, right=False, labels=_names(LENGTHS))
    write_json(
        args.curves / "summary.json",
        {
            **summary,
            "model": predictions.model,
            "data": predictions.data,
            "classes": predictions.classes,
            "parameters": predictions.parameters,
            "seeds": predictions.seeds,
            "reviews": len(labels),
        },
    )
    answers = evaluation.one_against_rest(labels, first)
    write_csv(args.curves / "roc.csv", evaluation.roc(*answers))
    write_csv(args.curves / "precision_recall.csv", evaluation.precision_recall(*answers))
    write_csv(args.curves / "calibration.csv", evaluation.calibration(*answers))
    confusion = evaluation.confusion(labels, first, predictions.classes)
    write_csv(args.curves / "confusion.csv", confusion)
    write_csv(args.curves / "by_length.csv", evaluation.accuracy_by(length, right))
    if index["stars"].any():  # unknown in the package's copy of the reviews
        write_csv(args.curves / "by_stars.csv", evaluation.accuracy_by(index["stars"], right))
    say(
        f"{predictions.model}: {summary['acc']:.2%} right"
        f" ({summary['acc_low']:.2%} to {summary['acc_high']:.2%}); {predictions.data}"
    )


def _names(edges: list[float]) -> list[str]:
    pairs = list(pairwise(edges))
    return [f"{low:g}–{high - 1:g}" for low, high in pairs[:-1]] + [f"{edges[-2]:g}+"]


if __name__ == "__main__":
    run(main)
