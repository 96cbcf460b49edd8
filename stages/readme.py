"""The table of results, as the README shows it and `make repro` prints it.

python -m stages.readme             print it
python -m stages.readme README.md   write it between the README's two markers
"""

import argparse
import json
from pathlib import Path

import pandas as pd

from stages.common.errors import StageError, run
from stages.common.files import atomic

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
# Where a row's results are, the model, and its name.
ROWS = [
    ("metrics", "linear", "words and pairs of words, logistic regression"),
    ("metrics", "mean", "mean of embeddings"),
    ("docs/pairs", "mean", "mean of embeddings of words and pairs of words"),
    ("metrics", "lstm", "LSTM"),
    ("metrics", "seeds", "LSTMs of all seeds, together"),
    ("metrics", "together", "LSTMs of all seeds and logistic regression, together"),
    ("docs/longer", "lstm", "LSTM, trained longer"),
    ("docs/longer", "seeds", "LSTMs, trained longer, of both seeds, together"),
]


def table(results: pd.DataFrame, gain: dict[str, float], data: str) -> str:
    """The Markdown of the results: accuracy with its 95 % interval, a row a model, and the gain."""
    lines = [
        f"Accuracy on the test reviews. Data: **{data}**. In brackets: 95 % intervals.",
        "",
        "| model | accuracy | AUC | parameters | seeds |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in results.itertuples(index=False):
        accuracy = f"{row.accuracy:.2%} ({row.low:.2%} – {row.high:.2%})"
        cells = [row.name, accuracy, f"{row.auc:.4f}", f"{row.parameters:,}", row.seeds]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += [
        "",
        f"LSTM − mean: **{gain['points']:+.2f} points** ({gain['low']:+.2f} – {gain['high']:+.2f}),"
        " resampling both the seeds and the test reviews.",
    ]
    return "\n".join(lines)


def committed(root: Path) -> str:
    """The table of the metrics under `root`, with the experiments if they are of the same data."""
    try:
        data = pd.read_csv(root / "metrics/results.csv")["data"].iloc[0]
        gain = json.loads((root / "metrics/imdb_gain.json").read_text("utf-8"))["gain"]
    except FileNotFoundError as error:
        raise StageError(f"{error.filename}: no such file; run: dvc repro") from None
    rows = []
    for folder, model, name in ROWS:
        path = root / folder / "results.csv"
        if path.exists():
            found = pd.read_csv(path)
            found = found[(found["model"] == model) & (found["data"] == data)]
            rows.append(found.assign(name=name))
    return table(pd.concat(rows), gain, data)


def insert(text: str, new: str) -> str:
    """The text with `new` between its markers.

    Raises:
        StageError: when the markers are missing.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise StageError(f"README.md: the markers {BEGIN} and {END} are missing")
    return f"{before}{BEGIN}\n{new}\n{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("readme", type=Path, nargs="?", help="the file to write it into")
    args = parser.parse_args()

    new = committed(Path())
    if args.readme is None:
        print(new)
        return
    text = insert(args.readme.read_text("utf-8"), new)
    with atomic(args.readme) as temporary:
        temporary.write_text(text, "utf-8")


if __name__ == "__main__":
    run(main)
