"""What is committed is consistent: code, parameters, dvc.lock, metrics and plots."""

import json
import subprocess
import sys
from pathlib import Path

from tests.clone import ALWAYS_CHANGED, ROOT


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


def test_git_has_neither_data_nor_large_files(tmp_path: Path) -> None:
    run("git", "checkout-index", "--all", f"--prefix={tmp_path}/")
    assert not (tmp_path / "data").exists()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert max(path.stat().st_size for path in files) < 1_100_000
