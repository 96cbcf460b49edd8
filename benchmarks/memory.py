"""Measure the most memory that each stage of the pipeline takes, on its real data.

    python -m benchmarks.memory [--seconds 150]

To be run after `dvc repro`: each stage of dvc.lock runs once more, by its own command, in a
temporary copy of this folder. A training takes its most early on, when it has seen some of its
largest batches, and may be stopped after so many seconds; the table says of which that was done.

Ten times a second the processes of the stage are asked for their proportional share (PSS), in which
a page that two of them use counts half in each. What comes and goes between two looks is seen by
the system, which remembers the most that a single process had (RSS); what is told is the larger of
the two. Writes benchmarks/memory.md and prints it.
"""

import argparse
import math
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from benchmarks.common import machine, table, tree_memory, write
from stages.common.processes import processors
from stages.common.progress import say

PAUSE = 0.1  # seconds between two looks
LIMIT = 2_048  # MiB
NOT_NEEDED = shutil.ignore_patterns(".git", ".dvc", ".venv", "__pycache__")


def peak(command: list[str], folder: Path, seconds: float) -> tuple[float, bool]:
    """Run a command to its end, or for so many seconds.

    Returns:
        The most memory, in MiB, that it and its children had at once; whether it was stopped.
    """
    process = subprocess.Popen(command, cwd=folder)
    end = time.monotonic() + seconds
    most, stopped = 0, False
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            break
        most = max(most, tree_memory(process.pid))
        if not stopped and time.monotonic() > end:
            process.terminate()
            stopped = True
        time.sleep(PAUSE)
    if process.returncode and not stopped:
        sys.exit(f"error: {shlex.join(command)} failed; is dvc.lock in step? run dvc repro")
    largest = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1_024)
    return max(most, largest) / 2**20, stopped


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=math.inf, help="for a stage, at most")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/memory.md"))
    arguments = parser.parse_args()

    locked = yaml.safe_load(Path("dvc.lock").read_text("utf-8"))["stages"]
    rows: list[list[str]] = []
    above = []
    for name, stage in locked.items():
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "copy"  # a fresh one: a stage that is stopped leaves half a curve
            shutil.copytree(".", copy, symlinks=True, ignore=NOT_NEEDED)
            command = [sys.executable, *shlex.split(stage["cmd"])[1:]]
            most, stopped = peak(command, copy, arguments.seconds)
        note = f" (stopped after {arguments.seconds:.0f} s)" if stopped else ""
        rows.append([f"{name}{note}", f"{most:,.0f} MiB"])
        say(": ".join(rows[-1]))
        above += [name] if most > LIMIT else []
    limit = "" if math.isinf(arguments.seconds) else f" --seconds {arguments.seconds:.0f}"
    write(
        arguments.out,
        [
            "# The memory of the stages",
            "",
            "The most that each stage takes, all of its processes together, on the data of the"
            f" committed results. {processors()} processors, as many of which as there are seeds"
            f" train side by side. Made by `python -m benchmarks.memory{limit}`.",
            machine(),
            "",
            *table(["stage", "peak"], rows),
            f"Above {LIMIT:,} MiB: {', '.join(above) or 'none'}.",
            "",
        ],
    )


if __name__ == "__main__":
    main()
