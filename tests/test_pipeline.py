"""The whole pipeline in a clone, on made-up reviews, and what dvc.yaml declares."""

import ast
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.imdb.models.registry import MODEL_LABELS, NETWORKS
from tests.clone import ROOT, Clone
from tests.imports import imported_names, module_files

DVC_YAML = (ROOT / "dvc.yaml").read_text("utf-8")
PIPELINE: dict[str, Any] = yaml.safe_load(DVC_YAML)
# The stages; for one that DVC repeats for each of several models, what it repeats.
STAGES: dict[str, dict[str, Any]] = {
    name: stage.get("do", stage) for name, stage in PIPELINE["stages"].items()
}
TRAININGS = ["mlp_numpy", "mlp_torch", "linear", "train", "pretrain", "lstm"]

# Settings of another user, on which no output may depend.
ANOTHER_USER = {
    "LANGUAGE": "tr",
    "LC_ALL": "C",
    "OMP_NUM_THREADS": "2",
    "PYTHONHASHSEED": "1",
    "TZ": "Asia/Tokyo",
}


@pytest.fixture(scope="module")
def project(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A fork in which a test may change a file, if it restores it."""
    return clone.fork(tmp_path_factory.mktemp("pipeline") / "project")


@contextmanager
def restored(path: Path) -> Iterator[str]:
    """Yield the content of a file, and write it back at the end."""
    content = path.read_text("utf-8")
    try:
        yield content
    finally:
        path.write_text(content, "utf-8")


def test_every_output_exists_and_a_second_run_changes_nothing(project: Clone) -> None:
    outputs = project.outputs()
    assert len(outputs) > 20
    assert [path for path in outputs if not path.exists()] == []
    assert project.repro() == []
    assert project.git("status", "--short") == ""


def test_the_models_learn_the_made_up_reviews(project: Clone) -> None:
    for model in ("linear", "mean", "lstm"):
        metrics = json.loads((project.folder / f"metrics/imdb_{model}.json").read_text("utf-8"))
        assert metrics[model]["acc"] > 0.75, model
    gain = json.loads((project.folder / "metrics/imdb_gain.json").read_text("utf-8"))["gain"]
    assert gain["low"] <= gain["points"] <= gain["high"]


MLP = {
    "mlp_numpy", "mlp_torch@by_hand", "mlp_torch@sequential", "mlp_torch@module",
    "mlp_checks", "mlp_figures",
}  # fmt: skip
AFTER_TRAINING = {"compare", "neighbours", "imdb_figures"}
MEAN = {"train@mean", "predict@mean", "evaluate@mean", *AFTER_TRAINING}
LSTM = {"lstm", "predict@lstm", "evaluate@lstm", *AFTER_TRAINING}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("mlp.learning_rate", 0.01, MLP),
        ("imdb.mean.epochs", 4, MEAN),
        ("imdb.lstm.hidden_size", 9, {"pretrain"} | LSTM),
        ("imdb.lstm.epochs", 4, LSTM),
        ("imdb.linear.C", 2.0, {"linear", "evaluate@linear"} | MEAN | LSTM),
        # The reviews are not tokenized again.
        ("imdb.vocabulary.size", 15, {"vocabulary", "pretrain", "evaluate@linear"} | MEAN | LSTM),
        ("imdb.neighbour_words", ["plot"], {"neighbours", "imdb_figures"}),
    ],
)
def test_a_parameter_reruns_the_stages_that_depend_on_it(
    project: Clone, name: str, value: object, expected: set[str]
) -> None:
    changes: Any = value
    for key in reversed(name.split(".")):
        changes = {key: changes}
    with restored(project.folder / "params.yaml"):
        project.set(changes)
        assert project.stale() == expected


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("stages/imdb/figures/main.py", {"neighbours", "imdb_figures"}),
        ("stages/imdb/training/trainer.py", MEAN | LSTM),
        ("stages/imdb/pretraining/language_model.py", {"pretrain"} | LSTM),
    ],
)
def test_changed_code_reruns_the_stages_that_use_it(
    project: Clone, file: str, expected: set[str]
) -> None:
    with restored(project.folder / file) as code:
        (project.folder / file).write_text(code + "# changed\n", "utf-8")
        assert project.stale() == expected


def test_the_same_parameters_give_the_same_bytes(clone: Clone, tmp_path: Path) -> None:
    """In another folder, for another user, with another number of threads; the figures too."""
    fork = clone.fork(tmp_path / "elsewhere")
    (fork.folder / "dvc.lock").unlink()
    archive = fork.folder / "data/imdb/aclImdb_v1.tar.gz"
    run = fork.command(
        "sh", "-c", "umask 077 && dvc repro --force", IMDB_ARCHIVE=str(archive), **ANOTHER_USER
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert fork.lock() == clone.lock()
    assert fork.git("status", "--short") == ""


def code_folders(stage: dict[str, Any]) -> list[Path]:
    return [Path(dep) for dep in stage["deps"] if dep.startswith("stages/")]


def parse(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text("utf-8"))


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_exactly_the_folders_whose_code_it_runs(name: str) -> None:
    command = re.match(r"python -m (stages[\w.]+) ", STAGES[name]["cmd"])
    assert command
    files = module_files(command[1], ROOT)
    folders = code_folders(STAGES[name])
    assert [dep for dep in STAGES[name]["deps"] if dep.endswith(".py")] == []
    assert {file.parent for file in files} == set(folders)


@pytest.mark.parametrize("name", TRAININGS)
def test_a_training_depends_on_no_code_of_figures(name: str) -> None:
    for folder in code_folders(STAGES[name]):
        for file in (ROOT / folder).glob("*.py"):
            packages = {name.partition(".")[0] for name in imported_names(parse(file))}
            assert "matplotlib" not in packages, file


def test_dvc_yaml_has_the_models_of_the_registry() -> None:
    [lists] = PIPELINE["vars"]
    assert {*lists["networks"]} == {*NETWORKS}
    assert {*lists["models"]} == {*MODEL_LABELS}
    assert {*lists["networks"]} - {*lists["from_scratch"]} == {"lstm"}


def test_dvc_yaml_stays_short() -> None:
    assert len(DVC_YAML.splitlines()) <= 560
