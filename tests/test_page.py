"""The page of plots in a real browser, without a network."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stages.common.page import CHAPTERS, template
from tests.conftest import ROOT

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)


def plots() -> list[str | dict[str, object]]:
    return list(yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["plots"])


def test_every_chapter_begins_with_a_plot_of_the_pipeline() -> None:
    names = [plot if isinstance(plot, str) else next(iter(plot)) for plot in plots()]
    assert [name for name in names if name in CHAPTERS] == list(CHAPTERS)


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_every_plot_is_drawn_and_nothing_is_fetched(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(template(ROOT / "dvc.yaml"), "utf-8")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "dvc",
            "plots",
            "show",
            "--html-template",
            page,
            "-o",
            tmp_path / "out",
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    index = tmp_path / "out" / "index.html"
    assert CHROMIUM is not None
    done = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu",
            "--disable-background-networking",
            "--no-first-run", f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr",
            "--virtual-time-budget=20000", "--dump-dom", index.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )  # fmt: skip
    dom = re.sub(r"<script.*?</script>", "", done.stdout, flags=re.DOTALL)
    pictures = [plot for plot in plots() if isinstance(plot, str)]
    assert dom.count('class="marks"') == len(plots()) - len(pictures)
    assert dom.count("<img") == len(pictures)
    assert re.findall(r"<h2>(.*?)</h2>", dom) == list(CHAPTERS.values())
    assert not re.findall(r'(?:src|href)="https?:', dom)
    assert "Uncaught" not in done.stderr
