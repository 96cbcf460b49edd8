"""The table of results in the README."""

import json
from pathlib import Path

import pandas as pd
import pytest

from scripts.results_table import BEGIN, END, load_results, replace_between_markers, to_markdown
from stages.common.errors import UserError

COLUMNS = ["model", "accuracy", "low", "high", "auc", "parameters", "seeds", "data"]


def write_results(path: Path, models: list[str], data: str = "made up") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [(model, 0.91234, 0.9, 0.92, 0.96789, 1_234_567, 4, data) for model in models]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(path, index=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository in which the pipeline has run."""
    models = ["linear", "mean", "lstm", "lstm_ensemble", "lstm_linear_ensemble"]
    write_results(tmp_path / "metrics/results.csv", models)
    write_results(tmp_path / "docs/results/unigrams.csv", models, data="other reviews")
    write_results(tmp_path / "docs/results/pairs.csv", ["mean"], data="other reviews")
    write_results(tmp_path / "docs/results/longer.csv", models)
    gains = {
        "gain": {"points": 2.165, "low": 1.833, "high": 2.494},
        "gain_over_linear": {"points": 0.274, "low": -0.021, "high": 0.561},
    }
    (tmp_path / "metrics/imdb_gain.json").write_text(json.dumps(gains), "utf-8")
    return tmp_path


def test_the_table_has_a_row_per_model_and_the_gain(root: Path) -> None:
    lines = to_markdown(*load_results(root)).splitlines()
    assert lines[0].endswith("Data: **made up**.")
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("|")][2:]
    # Five models of the pipeline, and one of the experiment with the same data.
    assert len(rows) == 6
    assert {tuple(row[1:]) for row in rows} == {
        ("91.23% (90.00% – 92.00%)", "0.9679", "1,234,567", "4")
    }
    assert rows[-1][0] == "bidirectional LSTM, trained longer"
    assert lines[-2] == (
        "LSTM − mean: **+2.17 points** (+1.83 – +2.49)."
        " LSTM − linear: **+0.27 points** (-0.02 – +0.56)."
    )


def test_without_results_the_message_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"results\.csv: no such file; run: dvc repro"):
        load_results(tmp_path)


def test_the_table_replaces_what_is_between_the_markers() -> None:
    text = f"before\n{BEGIN}\nold\n{END}\nafter"
    assert replace_between_markers(text, "new") == f"before\n{BEGIN}\nnew\n{END}\nafter"
    with pytest.raises(UserError, match="the markers .* are missing"):
        replace_between_markers(text.replace(END, ""), "new")
