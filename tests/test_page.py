"""The page of plots in a real browser, without a network."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.plots_page import SECTION_TITLES, render_template
from tests.conftest import ROOT

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
SCREENSHOTS = ROOT / "build"  # kept, to be looked at; not in git

Plot = dict[str, Any]


def plots() -> dict[str, Plot | None]:
    """The plots of dvc.yaml by name, in order; of a picture there is no more than its name."""
    listed = yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["plots"]
    return dict(
        (plot, None) if isinstance(plot, str) else next(iter(plot.items())) for plot in listed
    )


SERIES = {name: plot for name, plot in plots().items() if plot}
PICTURES = [name for name, plot in plots().items() if not plot]


def test_every_chapter_begins_with_a_plot_of_the_pipeline() -> None:
    assert [name for name in plots() if name in SECTION_TITLES] == list(SECTION_TITLES)


def test_every_picture_in_git_is_a_plot() -> None:
    drawn = {f"plots/{file.name}" for file in (ROOT / "plots").iterdir() if file.is_file()}
    assert drawn == set(PICTURES)


@pytest.mark.parametrize("name", SERIES)
def test_a_plot_has_title_axes_and_template_and_its_series_are_in_git(name: str) -> None:
    plot = SERIES[name]
    assert plot.keys() == {"title", "template", "x", "y", "x_label", "y_label"}
    for file, column in plot["y"].items():
        header = (ROOT / file).read_text("utf-8").splitlines()[0]
        assert {plot["x"], column} <= set(re.split(r"[,\t]", header)), file


# What the pictures show and DVC's templates cannot: words, and groups that are no numbers.
ONLY_IN_PICTURES = {"words.csv", "by_length.csv", "by_stars.csv"}


def test_every_series_in_git_is_a_plot() -> None:
    shown = {ROOT / file for plot in SERIES.values() for file in plot["y"]}
    files = {file for end in ("csv", "tsv") for file in (ROOT / "plots").rglob(f"*.{end}")}
    # Every seed but the first has its curves in plots/3-training.png.
    seeds = {file for file in files if re.search(r"/seed-(?!1/)", file.as_posix())}
    assert {file for file in files - seeds if file.name not in ONLY_IN_PICTURES} == shown


# Run in the page when all is drawn: what a test of the DOM's text cannot see.
FINDINGS = """
<script>
  setTimeout(() => {
    const drawn = [...document.querySelectorAll("main img, main svg")];
    const findings = {
      broken: drawn.filter(each => each.complete && !each.naturalWidth).map(each => each.src),
      tooWide: drawn.filter(each => each.getBoundingClientRect().right > innerWidth)
                    .map(each => each.closest("main > div").id),
    };
    document.body.append(document.createElement("pre"));
    document.body.lastChild.textContent = JSON.stringify(findings);
  }, 10000);
</script>
"""


def browse(*args: str) -> subprocess.CompletedProcess[str]:
    """Run the browser; anew, where it hangs or crashes: it is not what is tested."""
    assert CHROMIUM
    for _ in range(3):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            command = [CHROMIUM, f"--user-data-dir={profile}", *args]
            with suppress(subprocess.TimeoutExpired):
                done = subprocess.run(
                    command, capture_output=True, text=True, check=False, timeout=120
                )
                if done.returncode == 0:
                    return done
    pytest.fail(f"{CHROMIUM} hung or crashed three times")


class Visit:
    """What comes of opening a page: its DOM, what went wrong, and a screenshot."""

    def __init__(self, page: Path, size: str, screenshot: Path) -> None:
        screenshot.parent.mkdir(exist_ok=True)
        done = browse(
            "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--hide-scrollbars",
            "--enable-logging=stderr", "--virtual-time-budget=20000", f"--window-size={size}",
            f"--screenshot={screenshot}", "--dump-dom", page.as_uri(),
        )  # fmt: skip
        self.dom = re.sub(r"<script.*?</script>", "", done.stdout, flags=re.DOTALL)
        found = re.search(r"<pre>(.*?)</pre>", self.dom)
        self.findings = json.loads(found.group(1)) if found else {}
        console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        self.errors = [line for line in console if '"WARN ' not in line]  # of Vega's, harmless


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page that `make plots` makes."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "page.html").write_text(render_template(ROOT / "dvc.yaml"), "utf-8")
    subprocess.run(
        [
            sys.executable, "-m", "dvc", "plots", "show",
            "--html-template", folder / "page.html", "-o", folder,
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )  # fmt: skip
    with (folder / "index.html").open("a", encoding="utf-8") as index:
        index.write(FINDINGS)
    return folder / "index.html"


needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


@needs_chromium
def test_every_plot_is_drawn_in_the_order_of_the_projects(page: Path) -> None:
    visit = Visit(page, "1400,7600", SCREENSHOTS / "page-wide.png")
    assert visit.errors == []
    assert visit.findings == {"broken": [], "tooWide": []}
    assert visit.dom.count("<img") == len(PICTURES)
    assert visit.dom.count('class="marks"') == len(SERIES)
    lines = re.findall(r'class="mark-line role-mark marks"[^>]*><path[^>]* d="M[^"]*L', visit.dom)
    assert len(lines) == sum(len(p["y"]) for p in SERIES.values() if p["template"] == "simple")
    for plot in SERIES.values():
        assert {">" + plot[text] + "<" in visit.dom for text in ("title", "x_label")} == {True}, (
            plot
        )
    assert re.findall(r"<h2>(.*?)</h2>", visit.dom) == list(SECTION_TITLES.values())


@needs_chromium
def test_the_page_fits_a_phone(page: Path) -> None:
    visit = Visit(page, "500,13000", SCREENSHOTS / "page-narrow.png")
    assert visit.errors == []
    assert visit.findings == {"broken": [], "tooWide": []}


@needs_chromium
def test_the_page_lets_no_request_out(page: Path) -> None:
    index = page.with_name("spoilt.html")
    index.write_text(page.read_text("utf-8") + '<img src="https://example.com/x.png">', "utf-8")
    assert (
        "Content Security Policy" in Visit(index, "1400,1000", index.with_suffix(".png")).errors[0]
    )
