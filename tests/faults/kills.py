"""Kill the pipeline at random moments: what is run next must end as if nothing had happened."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psutil
import yaml

from tests.clone import Clone
from tests.faults.site import litter, lock, missing, start

GUARD = 600.0  # seconds after which something hangs, however busy the machine is
SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "Ctrl-C": signal.SIGINT}
POLL = 0.1
COMMANDS = {  # of the stages that last, after `python`
    "download": ["stages.imdb.download"],
    "tokenize": ["stages.imdb.tokenize"],
    "mean": ["stages.imdb.train", "mean"],
    "pretrain": ["stages.imdb.pretrain"],
    "lstm": ["stages.imdb.train", "lstm"],
}
TRAININGS = ["mean", "pretrain", "lstm"]
WHOLE = "dvc repro"  # the place that is no stage
CHECKPOINT_SECONDS = 0.5
DVCS_OWN = {  # what DVC writes in place, and how a user mends it when a kill has cut it short
    "dvc.lock": ["git", "checkout", "dvc.lock"],
    "rwlock": ["rm", ".dvc/tmp/rwlock"],
}


@dataclass
class Kill:
    """A signal to a stage, or to DVC; Ctrl-C is for all that runs in the terminal.

    Attributes:
        place: the stage, or WHOLE.
        how: one of SIGNALS.
        moment: of the time that the place took undisturbed, the share after which it comes.
        struck: whether it came in time.
        undone: seconds of training that the next run had to do again.
        mended: what DVC had left cut short.
        trouble: why what came after is not as it should be; "" if it is.
    """

    place: str
    how: str
    moment: float
    struck: bool = False
    undone: float = 0.0
    mended: str = ""
    trouble: str = ""


def plan(generator: random.Random) -> Iterator[list[Kill]]:
    """Rounds without end of one kill a stage that lasts, and one of DVC wherever it is."""
    for number in count():
        kills = [
            Kill(place, list(SIGNALS)[(number + i) % len(SIGNALS)], 0.9 * generator.random())
            for i, place in enumerate([*COMMANDS, WHOLE])
        ]
        kills.insert(generator.randrange(len(kills)), kills.pop())
        yield kills


def under_way(dvc: psutil.Process) -> tuple[str, psutil.Process | None]:
    """The long stage that DVC runs at the moment, and its process; "" for none."""
    with suppress(psutil.Error):  # it may just have ended
        for process in dvc.children(recursive=True):
            command = process.cmdline()
            for stage, words in COMMANDS.items():
                if command[2 : 2 + len(words)] == words:
                    return stage, process
    return "", None


def watched(process: subprocess.Popen[bytes]) -> dict[str, float]:
    """Wait for `dvc repro`; how many seconds each place took."""
    dvc = psutil.Process(process.pid)
    began = time.monotonic()
    spans = dict.fromkeys(COMMANDS, 0.0)
    while process.poll() is None:
        before = time.monotonic()
        time.sleep(POLL)
        stage, _ = under_way(dvc)
        if stage:
            spans[stage] += time.monotonic() - before
    spans[WHOLE] = time.monotonic() - began
    return spans


def victim_of(kill: Kill, process: subprocess.Popen[bytes], span: float) -> psutil.Process | None:
    """Wait for the moment of a kill; the process to kill, or None if it came and went."""
    dvc = psutil.Process(process.pid)
    stage, victim = WHOLE, dvc
    while stage != kill.place:
        time.sleep(POLL)
        stage, found = under_way(dvc)
        victim = found or victim
        past = stage and list(COMMANDS).index(stage) > list(COMMANDS).index(kill.place)
        if past or process.poll() is not None:
            return None
    end = time.monotonic() + kill.moment * span
    while time.monotonic() < end and victim.is_running():
        time.sleep(min(POLL, max(0.0, end - time.monotonic())))
    return victim if victim.is_running() and process.poll() is None else None


def strike(
    clone: Clone, kill: Kill, process: subprocess.Popen[bytes], victim: psutil.Process
) -> None:
    """Kill, and wait until all that belongs to the pipeline has ended."""
    dvc = psutil.Process(process.pid)
    family = [dvc, *dvc.children(recursive=True)]
    begun = victim.create_time()
    if kill.how == "Ctrl-C":
        os.killpg(process.pid, signal.SIGINT)
    else:
        victim.send_signal(SIGNALS[kill.how])
    kill.struck, struck = True, time.time()
    process.wait()
    if alive := still_running(family):
        kill.trouble = f"still running: {alive}"
    if kill.place in TRAININGS:
        saved = [at for at in _saved(clone, kill.place) if at < struck]
        kill.undone = struck - max([begun, *saved])


def still_running(family: list[psutil.Process]) -> list[psutil.Process]:
    """Wait until these processes have ended; those that do not."""
    end = time.monotonic() + GUARD
    while time.monotonic() < end:
        family = [each for each in family if _runs(each)]
        if not family:
            break
        time.sleep(POLL)
    return family


def _runs(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        # A zombie has ended; whose child it is has not asked how.
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def _saved(clone: Clone, stage: str) -> list[float]:
    folder: Path = clone.folder / "data/imdb/.checkpoints" / stage
    return [path.stat().st_mtime for path in folder.glob("*.safetensors")]


def mend(clone: Clone) -> str:
    """Do by hand what a user must when a kill cut short a file that DVC writes in place."""
    status = clone.command("dvc", "status")
    for name, by_hand in DVCS_OWN.items():
        if status.returncode and name in status.stdout + status.stderr:
            clone.command(*by_hand)
            return name
    return ""


def _stages(content: str) -> dict[str, object]:
    """What a dvc.lock says of each stage; they stand in the order in which they first ended."""
    stages: dict[str, object] = yaml.safe_load(content)["stages"]
    return stages


def verdict(clone: Clone, expected: str) -> str:
    """Why the clone is not as after a run that nobody disturbed; "" if it is."""
    if _stages(lock(clone)) != _stages(expected):
        return "another dvc.lock"
    if missing(clone):
        return f"missing: {missing(clone)}"
    if litter(clone):
        return f"left behind: {litter(clone)}"
    return ""


def try_kills(
    clone: Clone, kills: list[Kill], reference: tuple[str, dict[str, float]], command: list[str]
) -> None:
    """Kill a pipeline again and again, then let it end; fill in what came of each kill.

    Args:
        clone: at its beginning.
        kills: in the order of their places in the pipeline.
        reference: the dvc.lock of an undisturbed run, and how long the places took.
        command: that runs the pipeline.
    """
    expected, spans = reference
    environment = {"CHECKPOINT_SECONDS": str(CHECKPOINT_SECONDS)}
    process = start(clone, *command, **environment)
    for kill in kills:
        span = spans[kill.place] / (len(COMMANDS) if kill.place == WHOLE else 1)
        with suppress(psutil.NoSuchProcess, ProcessLookupError):  # it ended just now, by itself
            if victim := victim_of(kill, process, span):
                strike(clone, kill, process, victim)
        if process.poll() is not None:
            kill.mended = mend(clone)
            process = start(clone, *command, **environment)
    trouble = verdict(clone, expected) if process.wait() == 0 else "the last run failed"
    for kill in kills:
        kill.trouble = kill.trouble or trouble
