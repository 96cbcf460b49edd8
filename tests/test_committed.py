"""What is committed fits together: code, parameters, dvc.lock, metrics, pictures and README."""

import hashlib
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from stages.readme import ROWS, committed, insert
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text("utf-8")


def test_the_lock_is_in_step_with_code_parameters_metrics_and_plots() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "status", "--json"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    out_of_step = []
    for stage, changes in json.loads(done.stdout or "{}").items():
        for change in changes:
            if isinstance(change, str):
                out_of_step.append(f"{stage}: {change}")
                continue
            for paths in change.values():
                # data/ is not in git: in a fresh clone it is missing, and that is all right.
                out_of_step += [
                    f"{stage}: {path} {what}"
                    for path, what in paths.items()
                    if not path.startswith("data/")
                ]
    assert not out_of_step, "run: dvc repro"


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git holds: here, a run with other data or parameters may have written over it."""
    folder = tmp_path_factory.mktemp("held")
    subprocess.run(["git", "checkout-index", "--all", f"--prefix={folder}/"], cwd=ROOT, check=True)
    return folder


def test_the_readmes_table_is_that_of_the_metrics(held: Path) -> None:
    readme = (held / "README.md").read_text("utf-8")
    assert insert(readme, committed(held)) == readme, "run: make readme, and git add"


@pytest.mark.parametrize("name", sorted({Path(folder).name for folder, *_ in ROWS} - {"metrics"}))
def test_an_experiment_was_the_one_that_the_readme_names(name: str) -> None:
    """All but the parameters in the README's command are those of params.yaml."""
    command = re.search(rf"dvc exp run --name {name}(.*)", README.replace("\\\n", ""))
    assert command
    words = shlex.split(command[1])
    changes = dict(word.split("=", 1) for word in words if "=" in word)
    parameters = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    for changed, value in changes.items():
        *sections, key = changed.split(".")
        section = parameters
        for each in sections:
            section = section[each]
        assert key in section
        section[key] = yaml.safe_load(value)
    assert yaml.safe_load((ROOT / "docs" / name / "params.yaml").read_text("utf-8")) == parameters


@pytest.mark.parametrize(
    "result", ["pairs/imdb_mean.json", "longer/imdb_gain.json", "longer/results.csv"]
)
def test_the_result_of_an_experiment_is_that_of_its_lock(result: str) -> None:
    path = ROOT / "docs" / result
    lock = yaml.safe_load((path.parent / "dvc.lock").read_text("utf-8"))
    outs = [out for stage in lock["stages"].values() for out in stage.get("outs", [])]
    [md5] = [out["md5"] for out in outs if out["path"] == f"metrics/{path.name}"]
    assert hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() == md5


def test_the_row_of_the_mean_of_pairs_is_its_result() -> None:
    [row] = pd.read_csv(ROOT / "docs/pairs/results.csv").to_dict("records")
    result = json.loads((ROOT / "docs/pairs/imdb_mean.json").read_text("utf-8"))["mean"]
    assert round(row["accuracy"], 4) == result["acc"]
    assert round(row["auc"], 4) == result["auc"]


def links(text: str) -> set[str]:
    found = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'src="([^"]+)"', text)
    return {link for link in found if not link.startswith("http")}


@pytest.mark.parametrize("link", sorted(links(README)))
def test_the_readmes_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


@pytest.mark.parametrize(
    "picture",
    [
        "1-input_data.png", "1-loss_accuracy.png", "1-BP1.png", "1-BP2.png", "2-Pytorch.png",
        "3-model-mean.png", "3-model-LSTM.png",
    ],
)  # fmt: skip
def test_a_picture_of_the_readme_is_a_dvc_plot(picture: str) -> None:
    assert f"plots/{picture}" in README
    plots = (ROOT / "dvc.yaml").read_text("utf-8").partition("\nplots:\n")[2]
    assert f"- plots/{picture}\n" in plots


def test_no_review_is_in_git(held: Path) -> None:
    sizes = [path.stat().st_size for path in held.rglob("*") if path.is_file()]
    assert not (held / "data").exists()
    assert 0 < max(sizes) < 1_100_000
