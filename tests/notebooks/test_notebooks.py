"""Every notebook runs as a script."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.notebooks.conftest import NOTEBOOKS

MAX_SECONDS = 30


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_as_a_script(path: Path, tmp_path: Path) -> None:
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, path], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - start < MAX_SECONDS
    assert list(tmp_path.iterdir()) == []  # a notebook writes no files
