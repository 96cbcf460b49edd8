"""Sharing: data through a DVC remote, experiments through git, networks as artifacts."""

import re
import sys
from pathlib import Path

import pytest
import yaml

from tests.clone import ROOT, Clone

ARTIFACTS: dict[str, dict[str, object]] = yaml.safe_load(
    (ROOT / "dvc.yaml").read_text("utf-8")
)["artifacts"]  # fmt: skip


def git_clone(project: Clone, folder: Path) -> Clone:
    """Clone without the data and the cache."""
    project.git("clone", "-q", str(project.folder), str(folder))
    assert not (folder / "data").exists()
    return Clone(folder)


@pytest.fixture(scope="module")
def shared(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A project whose data is in a folder, for example on a mounted disk."""
    folder = tmp_path_factory.mktemp("shared")
    project = clone.fork(folder / "project")
    project.dvc("remote", "add", "--default", "storage", str(folder / "storage"))
    project.git("commit", "-qam", "add a remote")
    assert re.search(r"\d+ files? pushed", project.dvc("push"))
    return project


def test_a_clone_pulls_from_a_folder_and_runs_nothing(shared: Clone, tmp_path: Path) -> None:
    other = git_clone(shared, tmp_path / "elsewhere")
    other.dvc("pull")
    assert other.repro() == []
    assert other.git("status", "--short") == ""


def test_a_slurm_task_shares_its_experiment(shared: Clone, tmp_path: Path) -> None:
    project = git_clone(shared, tmp_path / "project")
    activate = project.folder / ".venv/bin/activate"
    activate.parent.mkdir(parents=True)
    activate.write_text(f'PATH="{Path(sys.executable).parent}:$PATH"\n', "utf-8")
    task = {
        "SLURM_SUBMIT_DIR": str(project.folder),
        "SLURM_JOB_NAME": "grid",
        "SLURM_ARRAY_JOB_ID": "7",
        "SLURM_ARRAY_TASK_ID": "1",
    }
    grid = [
        "imdb.neighbour_words=[excellent]",
        "imdb.neighbour_words=[awful] imdb.train.device=auto",
    ]
    script = project.command("bash", "docs/grid.slurm", *grid, **task)
    assert script.returncode == 0, script.stdout + script.stderr

    project.dvc("exp", "pull", "origin", "grid-7-1")
    project.dvc("exp", "apply", "grid-7-1")
    table = (project.folder / "metrics/neighbours.csv").read_text("utf-8").splitlines()
    assert {line.split(",")[1] for line in table[1:]} == {"awful"}
    shared.dvc("exp", "remove", "grid-7-1")


@pytest.mark.parametrize("artifact", ARTIFACTS.values(), ids=ARTIFACTS)
def test_an_artifact_is_a_described_network(shared: Clone, artifact: dict[str, object]) -> None:
    assert artifact.keys() == {"path", "type", "desc", "labels"}
    assert artifact["type"] == "model"
    assert shared.folder / str(artifact["path"]) in shared.outputs()


def test_an_artifact_can_be_downloaded(shared: Clone, tmp_path: Path) -> None:
    shared.command("gto", "register", "reviews-lstm", "--version", "v1.0.0")
    Clone(tmp_path).dvc("artifacts", "get", str(shared.folder), "reviews-lstm", "-o", "network")
    for file in (shared.folder / str(ARTIFACTS["reviews-lstm"]["path"])).iterdir():
        assert (tmp_path / "network" / file.name).read_bytes() == file.read_bytes()
