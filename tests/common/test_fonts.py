"""The fonts of the pictures are there, whatever the user's cache says."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.clone import ROOT

LIST = "from matplotlib.font_manager import fontManager"
USE = """
from stages.common import figures
import matplotlib.pyplot as plt
figure = plt.figure()
figure.text(0, 0, "in words and $W_1$")
figure.draw_without_rendering()
"""


def test_a_list_of_fonts_that_lacks_some_does_no_harm(tmp_path: Path) -> None:
    def python(code: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "MPLCONFIGDIR": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert python(LIST).returncode == 0
    [path] = tmp_path.glob("fontlist*.json")
    made = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(made | {"ttflist": []}), "utf-8")
    without_ours = USE.replace("from stages.common import figures", "")
    assert "Failed to find font" in python(without_ours).stderr
    done = python(USE)
    assert (done.returncode, done.stderr) == (0, "")
