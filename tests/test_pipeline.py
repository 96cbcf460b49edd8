"""The whole pipeline in a clone, on made-up reviews that a local server hands out."""

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.clone import ROOT, Clone
from tests.faults.site import ELSEWHERE, lock, log, start
from tests.imports import code_of


def test_every_output_is_there_and_nothing_else_changes(clone: Clone) -> None:
    lock = yaml.safe_load((clone.folder / "dvc.lock").read_text("utf-8"))
    outputs = [out["path"] for stage in lock["stages"].values() for out in stage["outs"]]
    assert len(outputs) > 20
    for path in outputs:
        assert (clone.folder / path).exists(), path
    gain = json.loads((clone.folder / "metrics/imdb_gain.json").read_text("utf-8"))
    assert set(gain["gain"]) == {"points", "low", "high"}
    clone.command("git", "add", "-A")
    clone.command("git", "commit", "-qm", "results")
    assert clone.stale() == set()
    assert clone.command("git", "status", "--short").stdout == ""


def test_the_networks_learned_the_made_up_reviews(clone: Clone) -> None:
    for model in ("linear", "mean", "lstm"):
        metrics = json.loads((clone.folder / f"metrics/imdb_{model}.json").read_text("utf-8"))
        assert metrics[model]["acc"] > 0.75, model


AFTER_LSTM = {
    "rate@lstm", "evaluate@lstm", "compare", "words", "architecture", "imdb_figures",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"imdb": {"lstm": {"hidden": 9}}}, {"pretrain", "lstm"} | AFTER_LSTM),
        ({"imdb": {"lstm": {"ngrams": 2}}}, {"pretrain", "lstm"} | AFTER_LSTM),
        ({"imdb": {"lstm": {"epochs": 4}}}, {"lstm"} | AFTER_LSTM),
        ({"imdb": {"words": ["plot"]}}, {"words", "imdb_figures"}),
    ],
)
def test_a_parameter_reruns_what_it_is_for_and_nothing_else(
    clone: Clone, changes: dict[str, object], expected: set[str]
) -> None:
    before = (clone.folder / "params.yaml").read_text("utf-8")
    try:
        clone.set(changes)
        assert clone.stale() == expected
    finally:
        (clone.folder / "params.yaml").write_text(before, "utf-8")


def test_the_vocabulary_does_not_tokenize_again(clone: Clone) -> None:
    before = (clone.folder / "params.yaml").read_text("utf-8")
    try:
        clone.set({"imdb": {"vocabulary": {"size": 15}}})
        stale = clone.stale()
        assert {"vocabulary", "mean", "pretrain", "lstm"} <= stale
        assert not {"download", "tokenize", "linear"} & stale
    finally:
        (clone.folder / "params.yaml").write_text(before, "utf-8")


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("stages/imdb/figures.py", {"imdb_figures"}),
        ("stages/imdb/architecture.py", {"architecture"}),
    ],
)
def test_the_code_of_a_picture_trains_nothing_again(
    clone: Clone, file: str, expected: set[str]
) -> None:
    path = clone.folder / file
    before = path.read_text("utf-8")
    try:
        path.write_text(before + "# changed\n", "utf-8")
        assert clone.stale() == expected
    finally:
        path.write_text(before, "utf-8")


def test_the_same_parameters_give_the_same_bytes(clone: Clone, tmp_path: Path) -> None:
    """In another folder, for another user, on another number of threads; pictures too."""
    fork = clone.fork(tmp_path / "elsewhere")
    archive = clone.folder / "data/imdb/aclImdb_v1.tar.gz"
    command = ["sh", "-c", "umask 077 && dvc repro --force"]
    (fork.folder / "dvc.lock").unlink()
    process = start(fork, *command, IMDB_ARCHIVE=str(archive), **ELSEWHERE)
    assert process.wait() == 0, log(fork).read_text("utf-8")
    assert lock(fork) == lock(clone)
    assert fork.git("status", "--short") == ""


def test_a_typo_in_the_parameters_is_named_and_nothing_changes(clone: Clone) -> None:
    path = clone.folder / "params.yaml"
    before = path.read_text("utf-8")
    weights = (clone.folder / "data/imdb/lstm/seed-1.safetensors").read_bytes()
    try:
        path.write_text(before.replace("word_dropout:", "word_dropuot:"), "utf-8")
        done = clone.command("dvc", "repro", "lstm")
        assert done.returncode != 0
        assert "imdb.lstm.word_dropuot is not a known key" in done.stderr
    finally:
        path.write_text(before, "utf-8")
    clone.dvc("repro")
    assert (clone.folder / "data/imdb/lstm/seed-1.safetensors").read_bytes() == weights


def pipeline() -> dict[str, dict[str, object]]:
    """The stages of dvc.yaml, those of a matrix once."""
    return yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"]


@pytest.mark.parametrize("name", list(pipeline()))
def test_a_stage_depends_on_exactly_the_code_it_runs(name: str) -> None:
    stage = pipeline()[name]
    module = re.match(r"python -m ([\w.]+)", str(stage["cmd"]))
    assert module
    dependencies = stage["deps"]
    assert isinstance(dependencies, list)
    listed = {path for path in dependencies if path.endswith(".py")}
    assert listed == code_of(module.group(1), ROOT)
