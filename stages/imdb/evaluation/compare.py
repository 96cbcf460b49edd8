"""Stage `compare`: the models side by side, and the LSTM's gain over the mean with its interval."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.common.errors import UserError, run_main
from stages.common.files import write_csv, write_json
from stages.common.progress import log
from stages.imdb.corpus.predictions import Predictions, load_predictions, test_metadata
from stages.imdb.evaluation import metrics
from stages.imdb.evaluation.pooling import log_opinion_pool

NUM_HARDEST = 50  # reviews in the table of errors


def results_table(models: list[Predictions], labels: metrics.Labels) -> pd.DataFrame:
    """Return one row per model: model, accuracy, low, high, auc, parameters, seeds."""
    rows = []
    for model in models:
        summary = metrics.compute_metrics(labels, model.probabilities)
        rows.append(
            {
                "model": model.model,
                "accuracy": summary["acc"],
                "low": summary["acc_low"],
                "high": summary["acc_high"],
                "auc": summary["auc"],
                "parameters": model.num_parameters,
                "seeds": len(model.seeds),
            }
        )
    return pd.DataFrame(rows)


def ensemble(name: str, models: list[Predictions]) -> Predictions:
    """Combine the networks of all models and seeds, with equal weights, into one model.

    The result counts as one model: its accuracy is not a mean over seeds, and its interval covers
    the reviews only. Its `seeds` are those of the last model.
    """
    return replace(
        models[-1],
        model=name,
        num_parameters=sum(len(model.seeds) * model.num_parameters for model in models),
        probabilities=log_opinion_pool(
            [of_seed for model in models for of_seed in model.probabilities]
        )[None],
    )


def paired_gains(mean: Predictions, lstm: Predictions, labels: metrics.Labels) -> pd.DataFrame:
    """Return the gain LSTM − mean in points, one row per seed and a row `all` over the seeds."""
    better = metrics.correct(labels, lstm.probabilities)
    base = metrics.correct(labels, mean.probabilities)
    rows: list[dict[str, Any]] = []
    for i, seed in enumerate(lstm.seeds):
        points, low, high = metrics.gain(better[i : i + 1], base[i : i + 1])
        p = metrics.mcnemar(better[i], base[i])
        rows.append({"seed": str(seed), "gain": points, "low": low, "high": high, "mcnemar_p": p})
    points, low, high = metrics.gain(better, base)
    # McNemar's test compares one pair of models; for the row `all` we report the largest p-value.
    p = max(row["mcnemar_p"] for row in rows)
    rows.append({"seed": "all", "gain": points, "low": low, "high": high, "mcnemar_p": p})
    return pd.DataFrame(rows)


def hardest_errors(mean: Predictions, lstm: Predictions, reviews: pd.DataFrame) -> pd.DataFrame:
    """Return the reviews that both networks misclassify with the highest confidence.

    Args:
        mean, lstm: Predictions for the test reviews.
        reviews: Metadata of the test reviews, with the columns id, stars and label.

    Returns:
        id, stars, label, and in the columns mean and lstm the probability of that label.
    """
    labels = reviews["label"].to_numpy(np.int64)
    table = reviews[["id", "stars"]].assign(label=np.array(mean.classes)[labels])
    both_wrong = np.ones(len(table), bool)
    for name, model in (("mean", mean), ("lstm", lstm)):
        probabilities = model.probabilities.mean(axis=0)
        table[name] = probabilities[np.arange(len(table)), labels]
        both_wrong &= ~metrics.correct(labels, probabilities)
    # Sort by the network that is less wrong.
    table = table.assign(largest=table[["mean", "lstm"]].max(axis=1))[both_wrong]
    return table.sort_values(["largest", "id"]).drop(columns="largest").head(NUM_HARDEST)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for model in ("linear", "mean", "lstm"):
        parser.add_argument(f"--{model}", type=Path, required=True, help="predictions")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--metrics", type=Path, required=True, help="JSON to write")
    for table in ("results", "gains", "hardest"):
        parser.add_argument(f"--{table}", type=Path, required=True, help="CSV to write")
    args = parser.parse_args()

    linear, mean, lstm = (load_predictions(path) for path in (args.linear, args.mean, args.lstm))
    reviews = test_metadata(args.corpus, mean)
    if len({linear.data_name, mean.data_name, lstm.data_name}) > 1:
        raise UserError(
            f"predictions for different data: linear {linear.data_name!r}, mean"
            f" {mean.data_name!r}, lstm {lstm.data_name!r}; run dvc repro"
        )
    if mean.seeds != lstm.seeds:
        raise UserError(f"seeds differ: mean {mean.seeds}, lstm {lstm.seeds}; run dvc repro")
    labels = reviews["label"].to_numpy(np.int64)

    lstm_ensemble = ensemble("lstm_ensemble", [lstm])
    lstm_linear_ensemble = ensemble("lstm_linear_ensemble", [linear, lstm])
    results = results_table([linear, mean, lstm, lstm_ensemble, lstm_linear_ensemble], labels)
    gains = paired_gains(mean, lstm, labels)
    overall = gains.iloc[-1]
    write_csv(args.results, results.assign(data=mean.data_name))
    write_csv(args.gains, gains)
    write_csv(args.hardest, hardest_errors(mean, lstm, reviews))
    write_json(
        args.metrics,
        {
            "gain": {"points": overall["gain"], "low": overall["low"], "high": overall["high"]},
            "ensemble": {"acc": round(results["accuracy"].iloc[-1], 4)},
        },
    )
    log(
        f"LSTM − mean: {overall['gain']:+.2f} points"
        f" (95 %: {overall['low']:+.2f} to {overall['high']:+.2f}); {mean.data_name}"
    )


if __name__ == "__main__":
    run_main(main)
