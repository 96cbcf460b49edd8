"""The README and the docs agree with the code, the parameters, the pipeline and the metrics."""

import json
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from scripts.results_table import (
    LONGER,
    PAIRS,
    PIPELINE,
    UNIGRAMS,
    load_results,
    replace_between_markers,
    to_markdown,
)
from tests.clone import ROOT

README = (ROOT / "README.md").read_text("utf-8")
DVC_YAML = (ROOT / "dvc.yaml").read_text("utf-8")
DOCS = {
    str(path.relative_to(ROOT)): path.read_text("utf-8")
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"))
}
every_doc = pytest.mark.parametrize("doc", DOCS)

# The pictures that each project must show.
PICTURES = {
    "plots/1-input_data.png", "plots/1-loss_accuracy.png", "plots/1-BP1.png", "plots/1-BP2.png",
    "plots/2-Pytorch.png", "plots/3-model-mean.png", "plots/3-model-LSTM.png",
}  # fmt: skip


def without_fenced_blocks(doc: str) -> str:
    """Return a document without blocks such as those of extending.md, which are for new code."""
    return re.sub(r"^```.*?^```$", "", DOCS[doc], flags=re.MULTILINE | re.DOTALL)


def code(doc: str) -> str:
    """Return the commands of a document: indented lines and inline code, one command per line."""
    text = without_fenced_blocks(doc)
    blocks = re.findall(r"^ {4}.*$", text.replace("\\\n", " "), re.MULTILINE)
    return "\n".join([*blocks, *re.findall(r"`([^`]+)`", text)])


def metrics(name: str) -> Any:
    return json.loads((ROOT / "metrics" / f"mlp_{name}.json").read_text("utf-8"))


def test_the_readme_is_short() -> None:
    assert len(README.split()) <= 1_800


@every_doc
def test_a_document_fits_a_terminal_and_names_no_machine(doc: str) -> None:
    assert [line for line in DOCS[doc].splitlines() if len(line) > 120] == []
    assert re.findall(r"(?<![\w/.~])/(?:home|root|tmp|Users)\b", DOCS[doc]) == []


@every_doc
def test_links_and_pictures_exist(doc: str) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", DOCS[doc]) + re.findall(r'src="([^"]+)"', DOCS[doc])
    local = [link for link in links if not link.startswith("http")]
    assert [link for link in local if not (ROOT / doc).parent.joinpath(link).exists()] == []


def test_links_to_code_point_to_the_definition_they_name() -> None:
    links = re.findall(r"\[`(\w+)`\]\(([\w/]+\.py)#L(\d+)\)", README)
    assert {name for name, *_ in links} >= {"forward", "loss", "backward", "update"}
    assert len(links) == README.count("#L")
    for name, path, number in links:
        line = (ROOT / path).read_text("utf-8").splitlines()[int(number) - 1]
        assert re.match(rf"(def|class) {name}\b", line), f"{path}#L{number} is {line!r}, not {name}"


def test_the_pictures_are_plots_of_the_pipeline_and_shown_once() -> None:
    pictures = re.findall(r'src="([^"]+)"', README)
    plots = re.findall(r"^  - (plots/.+)$", DVC_YAML.partition("\nplots:\n")[2], re.MULTILINE)
    assert len(pictures) == len({*pictures})
    assert {*pictures} <= {*plots}
    assert {*pictures} >= PICTURES


@every_doc
def test_parameters_exist(doc: str) -> None:
    text = without_fenced_blocks(doc)
    names = re.findall(r"-S\s+[\"']?([\w.]+)=", text)
    names += re.findall(r"(?<![\w./-])(?:points|mlp|imdb)(?:\.\w+)+", text)
    for name in names:
        node = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
        for key in name.split("."):
            assert key in node, name
            node = node[key]


@every_doc
def test_make_targets_and_modules_exist(doc: str) -> None:
    targets = re.findall(r"^\.PHONY: (\w+)", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert {*re.findall(r"\bmake ([a-z]+)", code(doc))} <= {*targets}
    modules = re.findall(r"-m ((?:stages|scripts|tests|benchmarks)[\w.]*)", code(doc))
    for module in modules:
        assert ROOT.joinpath(*module.split(".")).with_suffix(".py").is_file(), module


def test_the_distributed_command_is_that_of_the_stage() -> None:
    command = yaml.safe_load(DVC_YAML)["stages"]["lstm"]["cmd"].removeprefix("python ")
    assert command in re.sub(r"\s+", " ", code("docs/experiments.md"))


def test_the_diagram_is_the_pipeline() -> None:
    stages = {
        name: stage.get("do", stage) for name, stage in yaml.safe_load(DVC_YAML)["stages"].items()
    }
    diagram = README.partition("```mermaid\n")[2].partition("```")[0]
    edges = [
        (source.strip(), target.strip())
        for sources, targets in re.findall(r"^ +(.+) --> (.+)$", diagram, re.MULTILINE)
        for source in sources.split("&")
        for target in targets.split("&")
    ]
    assert {stage for edge in edges for stage in edge} == {*stages}
    for source, target in edges:
        # A repeated stage has outputs and dependencies such as data/imdb/models/${key}. A stage can
        # depend on the folder that contains the outputs of others.
        outputs = [
            out if isinstance(out, str) else next(iter(out)) for out in stages[source]["outs"]
        ]
        patterns = [re.sub(r"\$\{.+?\}", "*", out) for out in outputs]
        paths = [re.sub(r"\$\{.+?\}", "*", dep) for dep in stages[target]["deps"]]
        assert any(
            fnmatch(dep, out) or fnmatch(out, dep) or out.startswith(f"{dep}/")
            for dep in paths
            for out in patterns
        ), (source, target)


def test_the_versions_are_those_of_the_project() -> None:
    [torch] = re.findall(r'"(torch==[\d.]+)"', (ROOT / "pyproject.toml").read_text("utf-8"))
    assert f"pip install {torch} " in README
    ci = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))
    versions = ci["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert f"Python {versions[0]} to {versions[-1]}," in README


def test_the_accuracies_are_those_of_the_metrics() -> None:
    names = ["numpy", "by_hand", "sequential", "module"]
    [accuracy] = {f"{100 * metrics(name)[name]['acc']:.1f} %" for name in names}
    text = " ".join(README.split())
    assert f"After 100 epochs, {accuracy} of the test points are classified correctly" in text
    assert f"their accuracy is {accuracy} too" in text


def test_the_gains_on_equal_inputs_are_those_of_the_table() -> None:
    def accuracy(file: str, model: str) -> float:
        results = pd.read_csv(ROOT / file).set_index("model")
        return 100 * float(results.loc[model, "accuracy"])

    unigrams = accuracy(UNIGRAMS, "lstm") - accuracy(UNIGRAMS, "mean")
    bigrams = accuracy(PIPELINE, "lstm") - accuracy(PAIRS, "mean")
    sentence = f"the LSTM gains {unigrams:.2f} points without bigrams and {bigrams:.2f} with them."
    assert sentence in " ".join(README.split())


def test_the_interval_of_the_gain_is_above_one_point() -> None:
    gain = json.loads((ROOT / "metrics/imdb_gain.json").read_text("utf-8"))["gain"]
    assert ("the whole interval is above one point" in README) == (gain["low"] > 1)


def test_the_digits_are_those_of_the_metrics() -> None:
    text = " ".join(README.split())
    digits = metrics("gradients")["gradient_digits"]
    assert f"match numerical derivatives of the loss in {digits['differences']} digits" in text
    assert f"and PyTorch's autograd in {digits['autograd']}," in text
    assert f"match project 1 in {metrics('compare')['loss_digits']} digits" in text


def test_the_table_of_results_is_that_of_the_metrics(tmp_path: Path) -> None:
    # As in git: an experiment may have changed the work tree.
    checkout = ["git", "checkout-index", f"--prefix={tmp_path}/", "README.md"]
    results = ["metrics/results.csv", "metrics/imdb_gain.json"]
    recorded = [UNIGRAMS, PAIRS, LONGER]
    subprocess.run([*checkout, *results, *recorded], cwd=ROOT, check=True)
    readme = (tmp_path / "README.md").read_text("utf-8")
    table = to_markdown(*load_results(tmp_path))
    assert replace_between_markers(readme, table) == readme, "run: make readme, git add README.md"
