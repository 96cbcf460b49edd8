"""Kills at chosen moments; tests/faults kills at random ones."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.clone import Clone
from tests.faults.kills import (
    TIMEOUT,
    Kill,
    difference,
    repair,
    send,
    stage_process,
    survivors,
)


def train_until_checkpoint(
    clone: Clone, stage: str, pattern: str, shell: str
) -> tuple[subprocess.Popen[bytes], list[psutil.Process]]:
    """Train from scratch until there is a checkpoint whose name matches `pattern`.

    Args:
        clone: Where to train.
        stage: What to train.
        pattern: Of a file name.
        shell: In which DVC runs the stage. bash replaces itself by the stage; dash, which is often
            /bin/sh, stays as its parent.

    Returns:
        DVC, and the processes that train.
    """
    environment = {"CHECKPOINT_SECONDS": "0", "SHELL": shutil.which(shell) or "/bin/sh"}
    command = ["dvc", "repro", "--force", "--single-item", stage]
    dvc = clone.start(*command, **environment)
    folder = clone.folder / "data/imdb/.checkpoints" / stage
    deadline = time.monotonic() + TIMEOUT
    while not list(folder.glob(pattern)):
        assert dvc.poll() is None, clone.log_path.read_text("utf-8")
        assert time.monotonic() < deadline, "no checkpoint"
        time.sleep(0.01)
    process = stage_process(psutil.Process(dvc.pid))
    assert process
    return dvc, process.children(recursive=True) or [process]


@contextmanager
def suspended(processes: list[psutil.Process]) -> Iterator[None]:
    """Suspend a training while it is killed, so that it cannot end before it notices."""
    for process in processes:
        process.suspend()
    yield
    time.sleep(3)  # a stage looks twice per second whether DVC is alive
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.resume()


@pytest.mark.parametrize(
    ("stage", "kill", "pattern", "shell"),
    [
        ("lstm", Kill("Ctrl-C", "all"), "*.safetensors", "sh"),
        ("lstm", Kill("SIGKILL", "stage"), "seed-?-fine-tuning.safetensors", "sh"),
        ("pretrain", Kill("SIGKILL", "dvc"), "*.safetensors", "bash"),
    ],
    ids=str,
)
def test_a_killed_training_continues_to_the_same_bytes(
    clone: Clone, tmp_path: Path, stage: str, kill: Kill, pattern: str, shell: str
) -> None:
    fork = clone.fork(tmp_path / "fork")
    dvc, training = train_until_checkpoint(fork, stage, pattern, shell)
    with suspended(training):
        family = send(kill, psutil.Process(dvc.pid))
    dvc.wait()
    assert survivors(family) == []
    if kill.signal_name == "Ctrl-C":
        assert fork.log_path.read_text("utf-8").count("run the same command again") == 1
    unfinished = [fork.folder / "data/imdb" / folder for folder in ("", "models")]
    assert not [path for folder in unfinished for path in folder.glob(f"{stage}*")]

    run = fork.command("dvc", "repro", "--force", "--single-item", stage)
    assert run.returncode == 0, run.stderr
    assert "resumed after step" in run.stderr
    assert difference(fork, clone) == ""


def test_a_dvc_lock_cut_short_is_repaired_by_git(clone: Clone, tmp_path: Path) -> None:
    fork = clone.fork(tmp_path / "fork")
    lock = fork.lock()
    (fork.folder / "dvc.lock").write_text(lock[: lock.index("size:") + 2], "utf-8")
    assert repair(fork) == "dvc.lock"
    assert fork.stale() == set()
