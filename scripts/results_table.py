"""Print the table of results as Markdown, or write it into the README.

python -m scripts.results_table             print it
python -m scripts.results_table README.md   write it between the file's two markers
"""

import argparse
import json
import sys
from io import TextIOWrapper
from pathlib import Path

import pandas as pd

from stages.common.errors import UserError, run_main
from stages.common.files import atomic_write
from stages.imdb.corpus.corpus import text_noun
from stages.imdb.models.registry import NETWORKS

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
PIPELINE = "metrics/results.csv"
UNIGRAMS, PAIRS, LONGER = (f"docs/results/{name}.csv" for name in ("unigrams", "pairs", "longer"))
README_MODELS = ("mean", "lstm")  # other networks of the registry have their label in the table
# Per row of the table: the file of results, the model in this file, and its name in the table.
ROWS = [
    (PIPELINE, "linear", "linear: logistic regression on unigrams and bigrams"),
    (PIPELINE, "mean", "mean of word embeddings"),
    (PAIRS, "mean", "mean of word and bigram embeddings"),
    (UNIGRAMS, "lstm", "LSTM without bigrams"),
    (PIPELINE, "lstm", "LSTM"),
    *((PIPELINE, name, spec.label) for name, spec in NETWORKS.items() if name not in README_MODELS),
    (PIPELINE, "lstm_ensemble", "ensemble of the LSTMs of all seeds"),
    (PIPELINE, "lstm_linear_ensemble", "ensemble of the LSTMs and the linear model"),
    (LONGER, "lstm", "bidirectional LSTM, trained longer"),
]


Gains = dict[str, dict[str, float]]


def load_results(root: Path) -> tuple[pd.DataFrame, Gains]:
    """Load the rows of the table, and the gains of the LSTM over the mean and the linear model.

    The recorded experiments in `docs/results` are left out if they used other data.

    Args:
        root: Root folder of the repository.

    Returns:
        One row per model, with the columns of `metrics/results.csv` and `name`; and the content of
        `metrics/imdb_gain.json`: gains in points, with the bounds of their intervals.

    Raises:
        UserError: If the pipeline has not run.
    """
    try:
        data = pd.read_csv(root / PIPELINE)["data"].iloc[0]
        gains = json.loads((root / "metrics/imdb_gain.json").read_text("utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: no such file; run: dvc repro") from None
    rows = []
    for file, model, name in ROWS:
        results = pd.read_csv(root / file)
        found = results[(results["model"] == model) & (results["data"] == data)]
        rows.append(found.assign(name=name))
    return pd.concat(rows), gains


def to_markdown(results: pd.DataFrame, gains: Gains) -> str:
    """Format what `load_results` returns as Markdown."""
    data_name = str(results["data"].iloc[0])
    noun = text_noun(data_name)
    lines = [
        f"Accuracy on the test {noun}s, with 95 % intervals. Data: **{data_name}**.",
        "",
        "| model | accuracy | AUC | parameters | seeds |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in results.itertuples(index=False):
        accuracy = f"{row.accuracy:.2%} ({row.low:.2%} – {row.high:.2%})"
        cells = [row.name, accuracy, f"{row.auc:.4f}", f"{row.parameters:,}", row.seeds]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    over_mean, over_linear = (
        f"**{gain['points']:+.2f} points** ({gain['low']:+.2f} – {gain['high']:+.2f})"
        for gain in (gains["gain"], gains["gain_over_linear"])
    )
    lines += [
        "",
        f"LSTM − mean: {over_mean}. LSTM − linear: {over_linear}.",
        f"With several seeds, the interval resamples the seeds and the test {noun}s; for an"
        f" ensemble, the {noun}s only.",
    ]
    return "\n".join(lines)


def replace_between_markers(text: str, table: str) -> str:
    """Return the text with `table` between the markers BEGIN and END.

    Raises:
        UserError: If a marker is missing.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UserError(f"README.md: the markers {BEGIN} and {END} are missing; add them")
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Print the table of results as Markdown.")
    parser.add_argument("readme", type=Path, nargs="?", help="file to write the table into")
    args = parser.parse_args()

    table = to_markdown(*load_results(Path()))
    if args.readme is None:
        if isinstance(sys.stdout, TextIOWrapper):  # the terminal's encoding may not have "−"
            sys.stdout.reconfigure(errors="backslashreplace")
        print(table)
        return
    text = replace_between_markers(args.readme.read_text("utf-8"), table)
    with atomic_write(args.readme) as temporary:
        temporary.write_text(text, "utf-8")


if __name__ == "__main__":
    run_main(main)
