"""The figures find their fonts, even if matplotlib's cached font list is incomplete."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.clone import ROOT

WRITE_LIST = "from matplotlib.font_manager import fontManager"
STYLE = "from stages.plotting import style"
DRAW = """
import matplotlib.pyplot as plt
figure = plt.figure()
figure.text(0, 0, "text and $W_1$")
figure.draw_without_rendering()
"""


def test_an_incomplete_font_list_does_no_harm(tmp_path: Path) -> None:
    def python(code: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "MPLCONFIGDIR": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert python(WRITE_LIST).returncode == 0
    [path] = tmp_path.glob("fontlist*.json")
    font_list = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(font_list | {"ttflist": []}), "utf-8")
    assert "Failed to find font" in python(DRAW).stderr
    completed = python(STYLE + DRAW)
    assert (completed.returncode, completed.stderr) == (0, "")
