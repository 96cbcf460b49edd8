"""Kill `dvc repro` at random moments. The run after it must end like an undisturbed one."""

import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass

import psutil

from tests.clone import Clone

TIMEOUT = 600.0  # seconds after which a process that should end counts as hanging
LONGEST_RUN = 20.0  # seconds until a kill, at most
SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "Ctrl-C": signal.SIGINT}
TARGETS = ["stage", "dvc", "all"]
REPAIRS = {  # DVC does not write these files atomically; each command repairs one of them
    "dvc.lock": ["git", "checkout", "dvc.lock"],
    "rwlock": ["rm", ".dvc/tmp/rwlock"],
}


@dataclass(frozen=True)
class Kill:
    """A signal, and the process that gets it: the stage, DVC, or all in the terminal."""

    signal_name: str
    target: str

    def __str__(self) -> str:
        return f"{self.signal_name} to {self.target}"


# Ctrl-C always reaches every process in the terminal.
KILLS = [Kill(name, target) for name in SIGNALS for target in TARGETS
         if name != "Ctrl-C" or target == "all"]  # fmt: skip


def stage_process(dvc: psutil.Process) -> psutil.Process | None:
    """Return the process of the stage that DVC runs now; None between two stages."""
    with suppress(psutil.Error):  # it may have ended in the meantime
        for process in dvc.children(recursive=True):
            command = process.cmdline()
            if command[1:2] == ["-m"] and command[2].startswith("stages."):
                return process
    return None


def send(kill: Kill, dvc: psutil.Process) -> list[psutil.Process]:
    """Send the signal; return DVC and all its descendants, as they were before."""
    family = [dvc, *dvc.children(recursive=True)]
    number = SIGNALS[kill.signal_name]
    if kill.target == "all":
        os.killpg(dvc.pid, number)
    elif kill.target == "stage":
        (stage_process(dvc) or dvc).send_signal(number)
    else:
        dvc.send_signal(number)
    return family


def survivors(family: list[psutil.Process]) -> list[psutil.Process]:
    """Wait until the processes have ended; return those that have not after TIMEOUT."""
    deadline = time.monotonic() + TIMEOUT
    while family and time.monotonic() < deadline:
        family = [process for process in family if _is_alive(process)]
        time.sleep(0.1)
    return family


def _is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def repair(clone: Clone) -> str:
    """Repair a file that DVC had not finished when it was killed; return its name, or ""."""
    status = clone.command("dvc", "status")
    for name, command in REPAIRS.items():
        if status.returncode and name in status.stdout + status.stderr:
            clone.command(*command)
            return name
    return ""


def leftovers(clone: Clone) -> list[str]:
    """Return the temporary files and checkpoints in the data folder."""
    data = clone.folder / "data"
    patterns = (".*.tmp", "*.part", ".checkpoints/*")
    return [str(path) for pattern in patterns for path in data.rglob(pattern)]


def difference(clone: Clone, expected: Clone) -> str:
    """Return what distinguishes a finished clone from an undisturbed one, or ""."""
    # The stages of dvc.lock are in the order in which they first ended.
    if clone.locked_stages() != expected.locked_stages():
        return "another dvc.lock"
    if missing := [path for path in clone.outputs() if not path.exists()]:
        return f"missing: {missing}"
    if files := leftovers(clone):
        return f"left behind: {files}"
    return ""


def kill_until_finished(
    clone: Clone, expected: Clone, generator: random.Random
) -> tuple[list[Kill], str]:
    """Run the pipeline, and kill each run at a random moment unless it ends before.

    Args:
        clone: A fresh clone.
        expected: A clone in which the pipeline has run undisturbed.
        generator: Of the moments and of the kinds of kills.

    Returns:
        All kills, and what is wrong after them ("" if nothing is).
    """
    kills: list[Kill] = []
    while True:
        process = clone.start("dvc", "repro", CHECKPOINT_SECONDS="0.5")
        with suppress(subprocess.TimeoutExpired):
            process.wait(generator.uniform(1, LONGEST_RUN))
            break
        kills.append(generator.choice(KILLS))
        with suppress(psutil.NoSuchProcess, ProcessLookupError):  # it has just ended by itself
            family = send(kills[-1], psutil.Process(process.pid))
            if alive := survivors(family):
                return kills, f"still running after {kills[-1]}: {alive}"
        process.wait()
        repair(clone)
    if process.returncode:
        return kills, f"the last run failed; see {clone.log_path}"
    return kills, difference(clone, expected)
