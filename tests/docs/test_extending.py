"""docs/extending.md: each block is applied to a clone, and each command runs there."""

import json
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import yaml

from stages.imdb.models.registry import MODEL_LABELS
from tests.clone import ROOT, Clone

PAGE = (ROOT / "docs/extending.md").read_text("utf-8")
# A block, and the sentence before it, which names the file.
BLOCK = re.compile(
    r"(?:^(?P<where>[^\n]+(?:\n[^\n]+)?):\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
SMALL_GRU = {"epochs": 4, "batch_size": 8, "hidden_size": 8, "learning_rate": 0.02}


@dataclass
class Run:
    """A command of the page and its output."""

    command: str
    output: str

    @property
    def stages(self) -> set[str]:
        """The stages that ran."""
        return {*re.findall(r"Running stage '(.+?)'", self.output)}


def insert(path: Path, where: str, text: str) -> None:
    """Change a file as the sentence before a block says."""
    if where.startswith("In the new file "):
        assert not path.exists()
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
        return
    content = path.read_text("utf-8")
    if where.startswith("At the end of "):
        path.write_text(content + text, "utf-8")
        return
    [line] = re.findall(r"after the line\s+`(.+)`", where)
    lines = content.splitlines(keepends=True)
    [number] = [i for i, each in enumerate(lines) if each.strip() == line]
    path.write_text("".join([*lines[: number + 1], text, *lines[number + 1 :]]), "utf-8")


def add_params(clone: Clone, text: str) -> None:
    """Add a block at the end of params.yaml, whose small values of the clone stay."""
    original = (ROOT / "params.yaml").read_text("utf-8")
    old, new = (yaml.safe_load(content)["imdb"] for content in (original, original + text))
    path = clone.folder / "params.yaml"
    tree = yaml.safe_load(path.read_text("utf-8"))
    tree["imdb"] |= {key: value for key, value in new.items() if key not in old}
    path.write_text(yaml.safe_dump(tree), "utf-8")
    if "gru" in tree["imdb"]:
        clone.set({"imdb": {"gru": SMALL_GRU}})


@pytest.fixture(scope="module")
def extended(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> tuple[Clone, list[Run]]:
    """A fork that is extended as the page says, and the commands that ran there."""
    fork = clone.fork(tmp_path_factory.mktemp("extending") / "project")
    runs = []
    for match in BLOCK.finditer(PAGE):
        where, text = match["where"], match["text"]
        if match["kind"] == "sh":
            for command in text.splitlines():
                done = fork.command(*shlex.split(command))
                assert done.returncode == 0, done.stdout + done.stderr
                runs.append(Run(command, done.stdout))
            continue
        [name] = re.findall(r"^In the new file `(.+)`|\]\(\.\./(.+?)\)", where)
        path = fork.folder / "".join(name)
        if path.name == "params.yaml":
            add_params(fork, text)
        else:
            insert(path, where, text)
    return fork, runs


Extended = tuple[Clone, list[Run]]


def test_only_the_new_stages_and_those_after_them_run(extended: Extended) -> None:
    # The stage `source` runs every time.
    runs = [run.stages - {"source"} for run in extended[1] if run.command == "dvc repro"]
    assert runs == [
        {"lengths"},
        {
            "train@gru", "predict@gru", "evaluate@gru",
            "compare", "neighbours", "imdb_figures",
        },
    ]  # fmt: skip


def test_the_histogram_counts_every_training_review(extended: Extended) -> None:
    table = pd.read_csv(extended[0].folder / "plots/lengths.csv")
    assert table["words"].tolist() == [50 * i for i in range(len(table))]
    assert table["reviews"].sum() == 80
    page = (extended[0].folder / "dvc_plots/index.html").read_text("utf-8")
    assert "Training reviews by their length" in page


def test_the_gru_has_weights_metrics_a_row_and_curves(extended: Extended) -> None:
    folder = extended[0].folder
    for seed in (1, 2):
        assert (folder / f"data/imdb/models/gru/seed-{seed}.safetensors").exists()
        assert (folder / f"plots/imdb/gru/seed-{seed}/plots/metrics/validation/loss.tsv").exists()
    metrics = json.loads((folder / "metrics/imdb_gru.json").read_text("utf-8"))
    assert metrics["gru"]["acc"] > 0.6
    results = pd.read_csv(folder / "metrics/results.csv")
    ensembles = ["lstm_ensemble", "lstm_linear_ensemble"]
    assert results["model"].tolist() == [*MODEL_LABELS, "gru", *ensembles]
    neighbours = pd.read_csv(folder / "metrics/neighbours.csv")
    assert [*neighbours["model"].unique()] == ["mean", "lstm", "gru"]
    changed = extended[0].git("diff", "--name-only", "--", "plots/*.png").split()
    assert {f"plots/3-{name}.png" for name in ("training", "evaluation", "neighbours")} < {*changed}
    assert "plots/3-gain.png" not in changed
    table = extended[0].command("python", "-m", "scripts.results_table").stdout
    assert re.search(r"^\| LSTM \|.+\n\| GRU \|", table, re.MULTILINE)
    page = extended[0].command("python", "-m", "scripts.plots_page", "--out", "page.html")
    assert page.returncode == 0, page.stderr
    assert '"gru": ["GRU", "#009E73"]' in (folder / "page.html").read_text("utf-8")


def test_predict_uses_the_gru_and_explains_it(extended: Extended) -> None:
    [run] = [run for run in extended[1] if "imdb.predict" in run.command]
    lines = run.output.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == [*MODEL_LABELS, "gru"]
    assert re.search(r"^gru +(good|bad) +\d+\.\d%\n {7}what", run.output, re.MULTILINE)


def test_the_new_code_is_formatted_and_typed(extended: Extended) -> None:
    cache = ROOT / ".mypy_cache"
    if cache.exists():  # mypy need not read the libraries again
        shutil.copytree(cache, extended[0].folder / ".mypy_cache")
    for command in (["ruff", "check"], ["ruff", "format", "--check"], ["mypy", "stages"]):
        done = extended[0].command(*command)
        assert done.returncode == 0, done.stdout + done.stderr
