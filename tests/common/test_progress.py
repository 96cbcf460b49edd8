"""Progress of long work: log lines or a bar, never anything in the way of the items."""

import re

import pytest

from stages.common import progress as module
from stages.common.progress import progress


def test_lines_in_a_log_count_units(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOG_INTERVAL", 0.0)
    items = progress(["ab", "cde"], 10, "work", "B", initial=5, size=len)
    assert list(items) == ["ab", "cde"]
    first, second = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"work: 7 of 10 B, [\d,]+ B/s, \d s left", first)
    assert second.startswith("work: 10 of 10 B, ")


def test_a_terminal_gets_a_bar_that_disappears(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert list(progress(range(3), 3, "work")) == [0, 1, 2]
    shown = capsys.readouterr().err
    assert "work" in shown
    assert shown.endswith(" \r")  # overwritten with blanks
