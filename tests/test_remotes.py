"""Sharing: data through a DVC remote, experiments through git, networks as artifacts."""

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.clone import ROOT, Clone

ARTIFACTS: dict[str, dict[str, object]] = yaml.safe_load(
    (ROOT / "dvc.yaml").read_text("utf-8")
)["artifacts"]  # fmt: skip


@pytest.fixture(scope="module")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Start an SSH server in its own process; yield its address and the key it accepts."""
    if not importlib.util.find_spec("dvc_ssh"):
        pytest.skip("needs dvc-ssh")
    import asyncssh

    folder = tmp_path_factory.mktemp("ssh")
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(folder / "key")
    key.write_public_key(folder / "key.pub")
    (folder / "files").mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "tests.ssh_server", folder / "files", folder / "key.pub"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout
        yield f"ssh://reader@127.0.0.1:{int(server.stdout.readline())}/storage", folder / "key"
        server.terminate()


def share(project: Clone, url: str, key: Path | None = None) -> None:
    """Push all data to a remote, and record its address in git."""
    project.dvc("remote", "add", "--default", "storage", url)
    if key:
        project.dvc("remote", "modify", "--local", "storage", "keyfile", str(key))
    project.git("commit", "-qam", "add a remote")
    assert re.search(r"\d+ files? pushed", project.dvc("push"))


def git_clone(project: Clone, folder: Path) -> Clone:
    """Clone without the data and the cache."""
    project.git("clone", "-q", str(project.folder), str(folder))
    assert not (folder / "data").exists()
    return Clone(folder)


def pull(other: Clone) -> None:
    """Pull everything; then the pipeline has nothing to run."""
    other.dvc("pull")
    assert other.repro() == []
    assert other.git("status", "--short") == ""


@pytest.fixture(scope="module")
def shared(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A project whose data is in a folder, for example on a mounted disk."""
    folder = tmp_path_factory.mktemp("shared")
    project = clone.fork(folder / "project")
    share(project, str(folder / "storage"))
    return project


def test_a_clone_pulls_from_a_folder_and_runs_nothing(shared: Clone, tmp_path: Path) -> None:
    pull(git_clone(shared, tmp_path / "elsewhere"))


def test_a_clone_pulls_over_ssh_and_runs_nothing(
    clone: Clone, ssh: tuple[str, Path], tmp_path: Path
) -> None:
    url, key = ssh
    project = clone.fork(tmp_path / "project")
    share(project, url, key)
    other = git_clone(project, tmp_path / "elsewhere")
    other.dvc("remote", "modify", "--local", "storage", "keyfile", str(key))
    pull(other)


def test_an_experiment_is_pushed_to_git(shared: Clone, tmp_path: Path) -> None:
    project = git_clone(shared, tmp_path / "project")
    project.dvc("pull", "points", "mlp_numpy")
    project.dvc("exp", "run", "--temp", "--name", "mine", "-S", "mlp.hidden_size=4", "mlp_numpy")
    project.dvc("exp", "push", "origin", "mine")
    assert "mine" in shared.dvc("exp", "list", "--all")
    shared.dvc("exp", "remove", "mine")


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


@pytest.mark.parametrize("name", ["perceptron", "reviews-lstm"])  # a file and a folder
def test_an_artifact_can_be_downloaded(shared: Clone, name: str, tmp_path: Path) -> None:
    shared.command("gto", "register", name, "--version", "v1.0.0")
    Clone(tmp_path).dvc("artifacts", "get", str(shared.folder), name, "-o", "network")
    path = shared.folder / str(ARTIFACTS[name]["path"])
    for file in [path] if path.is_file() else path.iterdir():
        copy = tmp_path / "network" / file.name if path.is_dir() else tmp_path / "network"
        assert copy.read_bytes() == file.read_bytes()
