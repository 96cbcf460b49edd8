"""Every notebook: runs as a script, is served on this machine only, and fits every screen."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.notebooks.conftest import (
    NOTEBOOKS,
    PHONE,
    SCREENSHOTS,
    SCROLLED,
    WIDE,
    Open,
    excess_width,
    needs_chromium,
)

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
MAX_SECONDS = 30


@every_notebook
def test_a_notebook_runs_as_a_script(path: Path, tmp_path: Path) -> None:
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, path], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - start < MAX_SECONDS
    assert list(tmp_path.iterdir()) == []  # a notebook writes no files


def test_the_server_listens_on_loopback_only(address: str) -> None:
    port = int(address.rpartition(":")[2])
    listening = [
        connection.laddr.ip
        for connection in psutil.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
    ]
    assert listening == ["127.0.0.1"]


@needs_chromium
@every_notebook
def test_a_notebook_fits_every_screen(path: Path, open_notebook: Open) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    page = open_notebook(path.stem)
    for width in (WIDE, PHONE):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(500)  # the page is laid out again
        height = page.evaluate(f"{SCROLLED}.scrollHeight")
        page.set_viewport_size({"width": width, "height": height})
        page.screenshot(path=SCREENSHOTS / f"{path.stem}-{width}.png")
        assert excess_width(page) <= 0
