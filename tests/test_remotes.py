"""Sharing: data through a DVC remote, experiments through git, networks as artifacts."""

import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.clone import ROOT, Clone

Remote = Callable[[Clone], None]


def add_folder(project: Clone, storage: Path) -> None:
    """Let a folder, a mounted disk say, be the remote."""
    project.dvc("remote", "add", "--default", "storage", str(storage))


@pytest.fixture(scope="module")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of an SSH server in a process of its own, and the key that it lets in."""
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


def push(project: Clone) -> None:
    """Share what is in the cache, and in git where it is to be found."""
    project.git("commit", "-qam", "add a remote")
    pushed = project.dvc("push")
    assert re.search(r"\d+ files? pushed", pushed), pushed


def pull_elsewhere(project: Clone, folder: Path, key: Path | None = None) -> Clone:
    """Clone without the cache and pull; nothing is then left to do."""
    project.git("clone", "-q", str(project.folder), str(folder))
    other = Clone(folder)
    if key:
        other.dvc("remote", "modify", "--local", "storage", "keyfile", str(key))
    assert not (folder / "data").exists()
    other.dvc("pull")
    assert "Running stage" not in other.dvc("repro")
    assert other.dvc("status").strip() == "Data and pipelines are up to date."
    assert other.git("status", "--short") == ""
    return other


@pytest.fixture(scope="module")
def shared(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A project whose data are in a folder."""
    folder = tmp_path_factory.mktemp("shared")
    project = clone.fork(folder / "project")
    add_folder(project, folder / "storage")
    push(project)
    return project


def test_a_clone_pulls_from_a_folder_and_runs_nothing(shared: Clone, tmp_path: Path) -> None:
    pull_elsewhere(shared, tmp_path / "elsewhere")


def test_a_clone_pulls_over_ssh_and_runs_nothing(
    clone: Clone, ssh: tuple[str, Path], tmp_path: Path
) -> None:
    url, key = ssh
    project = clone.fork(tmp_path / "project")
    project.dvc("remote", "add", "--default", "storage", url)
    project.dvc("remote", "modify", "--local", "storage", "keyfile", str(key))
    push(project)
    pull_elsewhere(project, tmp_path / "elsewhere", key)


def test_an_experiment_travels_by_git(shared: Clone, tmp_path: Path) -> None:
    project = Clone(tmp_path / "project")
    shared.git("clone", "-q", str(shared.folder), str(project.folder))
    project.dvc("pull", "points", "mlp_numpy")
    project.dvc("exp", "run", "--temp", "--name", "mine", "-S", "mlp.hidden=4", "mlp_numpy")
    project.dvc("exp", "push", "origin", "mine")
    assert "mine" in shared.dvc("exp", "list", "--all")
    shared.dvc("exp", "remove", "mine")


def test_a_task_of_a_cluster_shares_its_experiment(
    shared: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Clone(tmp_path / "project")
    shared.git("clone", "-q", str(shared.folder), str(project.folder))
    activate = project.folder / ".venv/bin/activate"
    activate.parent.mkdir(parents=True)
    activate.write_text(f'PATH="{Path(sys.executable).parent}:$PATH"\n', "utf-8")
    task = {"SUBMIT_DIR": str(project.folder), "JOB_NAME": "grid", "ARRAY_JOB_ID": "7"}
    for name, value in {**task, "ARRAY_TASK_ID": "1"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)  # as Slurm does
    grid = ["imdb.words=[excellent]", "imdb.words=[awful] mlp.momentum=0.9"]
    done = project.command("bash", "docs/grid.slurm", *grid, cwd=project.folder)
    assert done.returncode == 0, done.stdout + done.stderr

    project.dvc("exp", "pull", "origin", "grid-7-1")
    project.dvc("exp", "apply", "grid-7-1")
    table = (project.folder / "metrics/neighbours.csv").read_text("utf-8").splitlines()
    assert {line.split(",")[1] for line in table[1:]} == {"awful"}
    shared.dvc("exp", "remove", "grid-7-1")


def artifacts() -> dict[str, dict[str, object]]:
    return yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["artifacts"]


def test_every_trained_network_is_an_artifact_that_says_what_it_is(shared: Clone) -> None:
    lock = yaml.safe_load((shared.folder / "dvc.lock").read_text("utf-8"))["stages"]
    trained = {
        out["path"]
        for name, stage in lock.items()
        if name.partition("@")[0] in {"mlp_numpy", "mlp_torch", "mean", "pretrain", "lstm"}
        for out in stage["outs"]
        if out["path"].startswith("data/") and "history" not in out["path"]
    }
    assert {artifact["path"] for artifact in artifacts().values()} == trained
    for artifact in artifacts().values():
        assert artifact["type"] == "model"
        assert artifact["desc"]
        assert artifact["labels"]


@pytest.mark.parametrize("name", ["perceptron", "reviews-lstm"])
def test_a_registered_network_can_be_got(shared: Clone, name: str, tmp_path: Path) -> None:
    shared.command("gto", "register", name, "--version", "v1.0.0")
    Clone(tmp_path).dvc("artifacts", "get", str(shared.folder), name, "-o", "network")
    path = shared.folder / str(artifacts()[name]["path"])
    for file in [path] if path.is_file() else path.iterdir():
        got = tmp_path / "network" / file.name if path.is_dir() else tmp_path / "network"
        assert got.read_bytes() == file.read_bytes()
