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
from dvc.dvcfile import load_file
from dvc.repo import Repo

from scripts.plots_page import SECTION_TITLES, render_template
from tests.conftest import ROOT

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
SCREENSHOTS = ROOT / "build"  # kept for inspection; not in git

Plot = dict[str, Any]


def plots() -> dict[str, Plot | None]:
    """Return the plots of dvc.yaml by name, in order. The value of an image is None."""
    listed = load_file(Repo(str(ROOT)), str(ROOT / "dvc.yaml")).plots  # parameters are filled in
    return dict(
        (plot, None) if isinstance(plot, str) else next(iter(plot.items())) for plot in listed
    )


CURVES = {name: plot for name, plot in plots().items() if plot}
IMAGES = [name for name, plot in plots().items() if not plot]


def test_section_titles_belong_to_plots_in_this_order() -> None:
    assert [name for name in plots() if name in SECTION_TITLES] == list(SECTION_TITLES)


def test_every_image_is_a_plot() -> None:
    images = {f"plots/{file.name}" for file in (ROOT / "plots").iterdir() if file.is_file()}
    assert images == set(IMAGES)


@pytest.mark.parametrize("name", CURVES)
def test_a_plot_is_described_and_its_columns_exist(name: str) -> None:
    plot = CURVES[name]
    assert plot.keys() == {"title", "template", "x", "y", "x_label", "y_label"}
    for file, column in plot["y"].items():
        header = (ROOT / file).read_text("utf-8").splitlines()[0]
        assert {plot["x"], column} <= set(re.split(r"[,\t]", header)), file


# DVC's templates cannot show words, or groups that are not numbers; the images show them.
NOT_PLOTTED = {"words.csv", "by_length.csv", "by_stars.csv"}
# The curves of the PyTorch versions coincide with those of NumPy. One plot shows this.
COINCIDING = r"mlp/(by_hand|sequential|module)/plots/metrics/(test/|train/acc)"


def test_every_table_of_the_pipeline_is_plotted() -> None:
    plotted = {ROOT / file for plot in CURVES.values() for file in plot["y"]}
    files = {file for end in ("csv", "tsv") for file in (ROOT / "plots").rglob(f"*.{end}")}
    # The curves of the seeds other than 1 are in plots/3-training.png.
    omitted = rf"/seed-(?!1/)|{COINCIDING}"
    files = {file for file in files if not re.search(omitted, file.as_posix())}
    assert {file for file in files if file.name not in NOT_PLOTTED} == plotted


# Runs in the page after drawing, and finds what the text of the DOM does not show.
FINDINGS = """
<script>
  setTimeout(() => {
    const images = [...document.querySelectorAll("main img, main svg")];
    const findings = {
      broken: images.filter(each => each.complete && !each.naturalWidth).map(each => each.src),
      tooWide: images.filter(each => each.getBoundingClientRect().right > innerWidth)
                     .map(each => each.closest("main > div").id),
    };
    document.body.append(document.createElement("pre"));
    document.body.lastChild.textContent = JSON.stringify(findings);
  }, 10000);
</script>
"""


def browse(*args: str) -> subprocess.CompletedProcess[str]:
    """Run the browser, up to three times if it hangs or crashes."""
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
    """Opens a page and takes a screenshot.

    Attributes:
        dom: The page after drawing, without its scripts.
        findings: What FINDINGS found.
        errors: Errors in the browser's console.
    """

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
        self.errors = [line for line in console if '"WARN ' not in line]  # Vega's warnings


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the page as `make plots` does."""
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


@pytest.fixture(scope="module")
def wide(page: Path) -> Visit:
    return Visit(page, "1400,7600", SCREENSHOTS / "page-wide.png")


@needs_chromium
def test_every_plot_is_drawn_and_the_sections_are_in_order(wide: Visit) -> None:
    assert wide.errors == []
    assert wide.findings == {"broken": [], "tooWide": []}
    assert wide.dom.count("<img") == len(IMAGES)
    assert wide.dom.count('class="marks"') == len(CURVES)
    lines = re.findall(r'class="mark-line role-mark marks"[^>]*><path[^>]* d="M[^"]*L', wide.dom)
    assert len(lines) == sum(len(p["y"]) for p in CURVES.values() if p["template"] == "simple")
    for plot in CURVES.values():
        assert f">{plot['title']}<" in wide.dom
        assert f">{plot['x_label']}<" in wide.dom
    assert re.findall(r"<h2>(.*?)</h2>", wide.dom) == list(SECTION_TITLES.values())


TRAIN_TEST = ["train", "test"]
MODELS = ["linear", "mean", "LSTM"]
TRAININGS = ["mean, train", "mean, validation", "LSTM, train", "LSTM, validation"]
LEGENDS = {
    "NumPy network, loss": TRAIN_TEST,
    "NumPy network, accuracy": TRAIN_TEST,
    "PyTorch three ways, training loss": [
        "NumPy", "PyTorch by hand", "nn.Sequential", "nn.Module",
    ],
    "Language model, training loss": ["workspace"],
    "Mean and LSTM, loss": TRAININGS,
    "Mean and LSTM, accuracy": TRAININGS,
    "ROC": MODELS,
    "Precision and recall": MODELS,
    "Calibration": MODELS,
}  # fmt: skip


@needs_chromium
def test_the_legends_are_names_and_not_paths(wide: Visit) -> None:
    legends = {}
    for svg in re.findall(r'<svg[^>]*class="marks".*?</svg>', wide.dom, re.DOTALL):
        [name] = [name for name, plot in CURVES.items() if f">{plot['title']}<" in svg]
        if labels := re.findall(r"role-legend-label[^>]*><text[^>]*>([^<]+)<", svg):
            legends[name] = labels
    assert legends == LEGENDS
    # Blue and orange, as in plots/1-loss_accuracy.png.
    assert re.findall(r'mark-line role-mark[^>]*><path[^>]* stroke="([^"]+)"', wide.dom)[:2] in (
        ["#0072B2", "#E69F00"], ["#E69F00", "#0072B2"],
    )  # fmt: skip


@needs_chromium
def test_the_page_blocks_requests(page: Path) -> None:
    index = page.with_name("with-request.html")
    index.write_text(page.read_text("utf-8") + '<img src="https://example.com/x.png">', "utf-8")
    visit = Visit(index, "1400,1000", index.with_suffix(".png"))
    assert "Content Security Policy" in visit.errors[0]
