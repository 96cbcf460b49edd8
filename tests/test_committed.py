"""What is committed is consistent: code, parameters, dvc.lock, metrics and plots."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.clone import ALWAYS_CHANGED, ROOT

RESULTS = sorted((ROOT / "docs/results").glob("*.csv"))


def run(*args: str) -> str:
    """Run a command in the repository; return its output."""
    return subprocess.run(args, capture_output=True, text=True, cwd=ROOT, check=True).stdout


def test_dvc_lock_matches_code_parameters_metrics_and_plots() -> None:
    status = json.loads(run(sys.executable, "-m", "dvc", "status", "--json") or "{}")
    changes = []
    for stage, changed in status.items():
        for change in changed:
            if isinstance(change, str):  # such as "changed command"
                changes += [f"{stage}: {change}"] if change != ALWAYS_CHANGED else []
                continue
            for paths in change.values():
                # data/ is not in git, so a fresh clone does not have it.
                changes += [f"{stage}: {path}" for path in paths if not path.startswith("data/")]
    assert not changes, "run: dvc repro"


def test_recorded_experiments_have_the_columns_of_the_results() -> None:
    columns = list(pd.read_csv(ROOT / "metrics/results.csv"))
    assert [path.name for path in RESULTS] == ["longer.csv", "pairs.csv", "unigrams.csv"]
    for path in RESULTS:
        assert list(pd.read_csv(path)) == columns, path


def test_git_has_neither_data_nor_large_files(tmp_path: Path) -> None:
    run("git", "checkout-index", "--all", f"--prefix={tmp_path}/")
    assert not (tmp_path / "data").exists()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert max(path.stat().st_size for path in files) < 1_100_000


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("stages/imdb/training/main.py", {"text": "auto", "eol": "lf"}),
        ("params.yaml", {"text": "auto", "eol": "lf"}),
        ("plots/1-input_data.png", {"text": "unset", "diff": "unset"}),
        ("plots/1-training.gif", {"text": "unset", "diff": "unset"}),
    ],
)
def test_text_has_line_feeds_on_every_system(path: str, expected: dict[str, str]) -> None:
    lines = run("git", "check-attr", *expected, "--", path).splitlines()
    assert dict(line.split(": ")[1:] for line in lines) == expected
