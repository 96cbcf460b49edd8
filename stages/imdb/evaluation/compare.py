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
from stages.imdb.corpus.predictions import Predictions, load_predictions, load_test_metadata
from stages.imdb.evaluation import metrics
from stages.imdb.evaluation.pooling import log_opinion_pool
from stages.imdb.models.registry import MODEL_LABELS

REQUIRED = ("linear", "mean", "lstm")  # the models of the gain and of the ensembles
NUM_HARDEST = 50  # reviews in the table of errors


def load_all(folder: Path) -> dict[str, Predictions]:
    """Load the predictions of every model in a folder, in the order of the registry.

    Args:
        folder: Has a file `<model>.safetensors` per model.

    Raises:
        UserError: If a model of REQUIRED is missing, or a file is damaged.
    """
    paths = {name: folder / f"{name}.safetensors" for name in MODEL_LABELS}
    return {
        name: load_predictions(path)
        for name, path in paths.items()
        if name in REQUIRED or path.exists()
    }


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


def gain_over_linear(
    linear: Predictions, lstm: Predictions, labels: metrics.Labels
) -> dict[str, float]:
    """Return the gain LSTM − linear in points, and the bounds of its 95 % interval."""
    better = metrics.correct(labels, lstm.probabilities)
    base = np.broadcast_to(metrics.correct(labels, linear.probabilities), better.shape)
    points, low, high = metrics.gain(better, base)
    return {"points": points, "low": low, "high": high}


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
    parser.add_argument("--predictions", type=Path, required=True, help="folder")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--metrics", type=Path, required=True, help="JSON to write")
    for table in ("results", "gains", "hardest"):
        parser.add_argument(f"--{table}", type=Path, required=True, help="CSV to write")
    args = parser.parse_args()

    models = load_all(args.predictions)
    linear, mean, lstm = (models[name] for name in REQUIRED)
    reviews = load_test_metadata(args.corpus, mean)
    if len({model.data_name for model in models.values()}) > 1:
        names = ", ".join(f"{name} {model.data_name!r}" for name, model in models.items())
        raise UserError(f"predictions for different data: {names}; run dvc repro")
    if mean.seeds != lstm.seeds:
        raise UserError(f"seeds differ: mean {mean.seeds}, lstm {lstm.seeds}; run dvc repro")
    labels = reviews["label"].to_numpy(np.int64)

    lstm_ensemble = ensemble("lstm_ensemble", [lstm])
    lstm_linear_ensemble = ensemble("lstm_linear_ensemble", [linear, lstm])
    results = results_table([*models.values(), lstm_ensemble, lstm_linear_ensemble], labels)
    gains = paired_gains(mean, lstm, labels)
    overall = gains.iloc[-1]
    write_csv(args.results, results.assign(data=mean.data_name))
    write_csv(args.gains, gains)
    write_csv(args.hardest, hardest_errors(mean, lstm, reviews))
    write_json(
        args.metrics,
        {
            "gain": {"points": overall["gain"], "low": overall["low"], "high": overall["high"]},
            "gain_over_linear": gain_over_linear(linear, lstm, labels),
            "ensemble": {"acc": round(results["accuracy"].iloc[-1], 4)},
        },
    )
    log(
        f"LSTM − mean: {overall['gain']:+.2f} points"
        f" (95 %: {overall['low']:+.2f} to {overall['high']:+.2f}); {mean.data_name}"
    )


if __name__ == "__main__":
    run_main(main)
