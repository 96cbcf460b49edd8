"""What the campaign of tests/faults does at random, once each and at a moment of our choosing."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.clone import Clone
from tests.faults.kills import GUARD, SIGNALS, mend, still_running, under_way
from tests.faults.site import litter, lock, log, start


def under_checkpoint(fork: Clone, stage: str) -> subprocess.Popen[bytes]:
    """Train again, from the beginning, until there is a checkpoint."""
    process = start(fork, "dvc", "repro", "--force", "--single-item", stage, CHECKPOINT_SECONDS="0")
    folder = fork.folder / "data/imdb/.checkpoints" / stage
    end = time.monotonic() + GUARD
    while not list(folder.glob("*.safetensors")):
        assert process.poll() is None, log(fork).read_text("utf-8")
        assert time.monotonic() < end, "no checkpoint"
        time.sleep(0.01)
    return process


@contextmanager
def held_still(workers: list[psutil.Process]) -> Iterator[None]:
    """Stop processes until their stage has learned what befell it: else they may end before."""
    for worker in workers:
        worker.suspend()
    yield
    time.sleep(1)
    for worker in workers:
        with suppress(psutil.NoSuchProcess):
            worker.resume()


@pytest.mark.parametrize(
    ("stage", "how", "whom"),
    [
        ("lstm", "Ctrl-C", "all"),
        ("pretrain", "SIGTERM", "stage"),
        ("lstm", "SIGKILL", "stage"),
        ("lstm", "SIGKILL", "dvc"),
    ],
)
def test_a_killed_training_goes_on_to_the_same_bits(
    clone: Clone, tmp_path: Path, stage: str, how: str, whom: str
) -> None:
    fork = clone.fork(tmp_path / "fork")
    before = lock(fork)
    process = under_checkpoint(fork, stage)
    dvc = psutil.Process(process.pid)
    _, victim = under_way(dvc)
    assert victim
    family = [dvc, *dvc.children(recursive=True)]
    with held_still(victim.children(recursive=True)):
        if whom == "all":
            os.killpg(process.pid, signal.SIGINT)
        else:
            (dvc if whom == "dvc" else victim).send_signal(SIGNALS[how])
    process.wait()
    assert still_running(family) == []
    assert not list((fork.folder / "data/imdb").glob(f"{stage}*")), "a half-done output"

    again = start(fork, "dvc", "repro", "--force", "--single-item", stage).wait()
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
