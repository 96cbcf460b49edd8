"""What the campaign of tests/faults does at random, once each and at a moment of our choosing."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.clone import Clone
from tests.faults.kills import GUARD, SIGNALS, mend, still_running, under_way
from tests.faults.side_by_side import experiments
from tests.faults.site import litter, lock, log, start
from tests.faults.starve import Stage, starved


def under_checkpoint(
    fork: Clone, stage: str, name: str, shell: str
) -> tuple[subprocess.Popen[bytes], psutil.Process, list[psutil.Process]]:
    """Train again, from the beginning, until there is a checkpoint of such a name.

    DVC runs the stage in `shell`: bash makes way for it, dash, most often /bin/sh, does not.

    Returns:
        DVC, the stage, and the processes that train.
    """
    environment = {"CHECKPOINT_SECONDS": "0", "SHELL": shutil.which(shell) or "/bin/sh"}
    process = start(fork, "dvc", "repro", "--force", "--single-item", stage, **environment)
    folder = fork.folder / "data/imdb/.checkpoints" / stage
    end = time.monotonic() + GUARD
    victim: psutil.Process | None = None
    workers: list[psutil.Process] = []
    while not list(folder.glob(name)):
        assert process.poll() is None, log(fork).read_text("utf-8")
        assert time.monotonic() < end, "no checkpoint"
        if victim is None:
            _, victim = under_way(psutil.Process(process.pid))
        else:
            workers = victim.children(recursive=True)
        time.sleep(0.01)
    assert victim
    return process, victim, workers or [victim]


@contextmanager
def held_still(workers: list[psutil.Process]) -> Iterator[None]:
    """Stop those who train until the stage has learned what befell it: they might end before.

    It looks twice a second whether DVC still lives, and a busy machine may keep it from that.
    """
    for worker in workers:
        worker.suspend()
    yield
    time.sleep(5)
    for worker in workers:
        with suppress(psutil.NoSuchProcess):
            worker.resume()


@pytest.mark.parametrize(
    ("stage", "how", "whom", "checkpoint", "shell"),
    [
        ("lstm", "Ctrl-C", "all", "*.safetensors", "sh"),
        ("lstm", "SIGTERM", "all", "*.safetensors", "bash"),
        ("lstm", "SIGKILL", "stage", "seed-?-2.safetensors", "sh"),  # when it refines
        ("lstm", "SIGKILL", "dvc", "*.safetensors", "sh"),
        ("pretrain", "SIGKILL", "dvc", "*.safetensors", "bash"),
    ],
)
def test_a_killed_training_goes_on_to_the_same_bits(
    clone: Clone, tmp_path: Path, stage: str, how: str, whom: str, checkpoint: str, shell: str
) -> None:
    fork = clone.fork(tmp_path / "fork")
    before = lock(fork)
    process, victim, workers = under_checkpoint(fork, stage, checkpoint, shell)
    with held_still(workers):
        dvc = psutil.Process(process.pid)
        family = [dvc, *dvc.children(recursive=True)]
        if whom == "all":
            os.killpg(process.pid, SIGNALS[how])
        else:
            (dvc if whom == "dvc" else victim).send_signal(SIGNALS[how])
    process.wait()
    assert still_running(family) == []
    if how == "Ctrl-C":
        assert log(fork).read_text("utf-8").count("stopped; the same command goes on") == 1
    assert not list((fork.folder / "data/imdb").glob(f"{stage}*")), "a half-done output"

    again = start(
        fork, "dvc", "repro", "--force", "--single-item", stage, CHECKPOINT_SECONDS="0.1"
    ).wait()
    said = log(fork).read_text("utf-8")
    assert again == 0, said
    assert "resumed after step" in said
    assert lock(fork) == before
    assert litter(fork) == []


def test_what_dvc_had_not_finished_writing_can_be_mended(clone: Clone, tmp_path: Path) -> None:
    """DVC writes two files in place; what a kill leaves of them DVC tells, and is easily mended."""
    fork = clone.fork(tmp_path / "fork")
    before = lock(fork)
    (fork.folder / "dvc.lock").write_text(before[: before.index("size:") + 2], "utf-8")
    assert mend(fork) == "dvc.lock"
    assert lock(fork) == before
    (fork.folder / ".dvc/tmp/rwlock").write_text('{"read": {', "utf-8")
    assert mend(fork) == "rwlock"
    assert mend(fork) == ""


def test_experiments_at_once_give_what_they_give_in_turn(clone: Clone, tmp_path: Path) -> None:
    results = []
    for together in (False, True):
        # Each with a cache of its own: else the second would find there what the first has done.
        copy = Clone(tmp_path / f"together-{together}")
        shutil.copytree(clone.folder, copy.folder, symlinks=True)
        wishes = {"few": "mlp.epochs=2", "narrow": "mlp.hidden=4"}
        results.append(experiments(copy, wishes, together, "mlp_numpy"))
    assert results[0] == results[1]
    assert len({lock(clone), *results[0]}) == 3


def test_a_stage_that_fails_may_leave_curves_cut_short_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    (tmp_path / "live/loss.tsv").write_text("whole")
    (tmp_path / "live/metrics.json").write_text("whole")
    (tmp_path / "weights").write_text("whole")

    def failing(code: int, *names: str) -> str:
        """What is said of an attempt that spoils files, and of one after it that mends them."""

        def attempt(stage: Stage) -> subprocess.CompletedProcess[str]:
            for name in names:
                (tmp_path / name).write_text("half")
            return subprocess.CompletedProcess([], code, "", "error: no space left")

        mend = "; ".join(f"open({name!r}, 'w').write('whole')" for name in names)
        stage = Stage("made up", ["python", "-c", mend], ["live", "weights"])
        return starved(stage, tmp_path, attempt)

    assert failing(1, "live/loss.tsv", "live/metrics.json") == ""
    assert failing(0, "live/loss.tsv") == "its outputs changed: live/loss.tsv"
    assert failing(1, "weights") == "its outputs changed: weights"
