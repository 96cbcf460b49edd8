"""Stage: the models side by side, and whether the LSTM's gain over the mean is more than noise."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.common.errors import StageError, run
from stages.common.files import write_csv, write_json
from stages.common.progress import say
from stages.imdb import evaluation
from stages.imdb.predictions import Predictions, read, test_index

HARDEST = 50  # reviews that both networks get wrong most confidently


def results(models: list[Predictions], labels: evaluation.Labels) -> pd.DataFrame:
    """The table of results: model, accuracy, low, high, auc, parameters, seeds."""
    rows = []
    for model in models:
        summary = evaluation.summary(labels, model.probabilities)
        rows.append(
            {
                "model": model.model,
                "accuracy": summary["acc"],
                "low": summary["acc_low"],
                "high": summary["acc_high"],
                "auc": summary["auc"],
                "parameters": model.parameters,
                "seeds": len(model.seeds),
            }
        )
    return pd.DataFrame(rows)


def vote(name: str, models: list[Predictions]) -> Predictions:
    """The models of every seed as one model of this name, in which each has one vote.

    As it is one, its accuracy is no mean over seeds, and its interval is over the reviews alone.
    The seeds are the last model's.
    """
    ratings = [rating for model in models for rating in model.probabilities]
    return replace(
        models[-1],
        model=name,
        parameters=sum(len(model.seeds) * model.parameters for model in models),
        probabilities=evaluation.pooled(ratings)[None],
    )


def gains(mean: Predictions, lstm: Predictions, labels: evaluation.Labels) -> pd.DataFrame:
    """The gain LSTM − mean in points, a row a seed and one, "all", over seeds and reviews."""
    better = evaluation.correct(labels, lstm.probabilities)
    base = evaluation.correct(labels, mean.probabilities)
    rows: list[dict[str, Any]] = []
    for i, seed in enumerate(lstm.seeds):
        value, low, high = evaluation.gain(better[i : i + 1], base[i : i + 1])
        p = evaluation.mcnemar(better[i], base[i])
        rows.append({"seed": str(seed), "gain": value, "low": low, "high": high, "mcnemar_p": p})
    value, low, high = evaluation.gain(better, base)
    # The test has no form for several seeds at once: the least convincing seed speaks for all.
    p = max(row["mcnemar_p"] for row in rows)
    rows.append({"seed": "all", "gain": value, "low": low, "high": high, "mcnemar_p": p})
    return pd.DataFrame(rows)


def hardest(mean: Predictions, lstm: Predictions, index: pd.DataFrame) -> pd.DataFrame:
    """The reviews that both networks get wrong most confidently.

    Returns:
        id, stars, label, and in the columns mean and lstm how likely that label is to them.
    """
    labels = index["label"].to_numpy(np.int64)
    names = np.array(mean.classes)[labels]
    table = index[["id", "stars"]].assign(label=names)
    both_wrong = np.ones(len(table), bool)
    for name, model in (("mean", mean), ("lstm", lstm)):
        rating = model.probabilities.mean(axis=0)
        table[name] = rating[np.arange(len(table)), labels]
        both_wrong &= ~evaluation.correct(labels, rating)
    # The less wrong of the two decides.
    table = table.assign(likely=table[["mean", "lstm"]].max(axis=1))[both_wrong]
    return table.sort_values(["likely", "id"]).drop(columns="likely").head(HARDEST)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--linear", type=Path, required=True, help="predictions, as are the next")
    parser.add_argument("--mean", type=Path, required=True)
    parser.add_argument("--lstm", type=Path, required=True)
    parser.add_argument("--reviews", type=Path, required=True)
    parser.add_argument("--metrics", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--gains", type=Path, required=True)
    parser.add_argument("--hardest", type=Path, required=True)
    args = parser.parse_args()

    linear, mean, lstm = (read(path) for path in (args.linear, args.mean, args.lstm))
    index = test_index(args.reviews, mean)
    if len({linear.data, mean.data, lstm.data}) > 1:
        raise StageError(
            f"predictions are about different data: linear {linear.data!r}, mean {mean.data!r},"
            f" lstm {lstm.data!r}; run dvc repro"
        )
    if mean.seeds != lstm.seeds:
        raise StageError(f"seeds differ: mean has {mean.seeds}, lstm {lstm.seeds}; run dvc repro")
    labels = index["label"].to_numpy(np.int64)

    together = [vote("seeds", [lstm]), vote("together", [linear, lstm])]
    compared = results([linear, mean, lstm, *together], labels)
    table = gains(mean, lstm, labels)
    overall = table.iloc[-1]
    write_csv(args.results, compared.assign(data=mean.data))
    write_csv(args.gains, table)
    write_csv(args.hardest, hardest(mean, lstm, index))
    write_json(
        args.metrics,
        {
            "gain": {"points": overall["gain"], "low": overall["low"], "high": overall["high"]},
            "together": {"acc": round(compared["accuracy"].iloc[-1], 4)},
        },
    )
    say(
        f"LSTM − mean: {overall['gain']:+.2f} points"
        f" (95 %: {overall['low']:+.2f} to {overall['high']:+.2f}); {mean.data}"
    )


if __name__ == "__main__":
    run(main)
