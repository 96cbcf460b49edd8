"""Shared by all benchmarks: interleaved timing, memory measurement and Markdown reports.

All contenders run on the same processors (`limit_processors`) and take turns (`run_interleaved`),
so that a slow phase of the machine affects all of them.
"""

import argparse
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, TypeVar

import psutil

from stages.common.files import atomic_write
from stages.common.processes import cpu_count
from stages.common.progress import log

ROOT = Path(__file__).parent.parent
BENCHMARKS = ROOT / "benchmarks"
PARAMS = ROOT / "params.yaml"
REVIEWS = ROOT / "data" / "imdb" / "reviews.parquet"
CORPUS = ROOT / "data" / "imdb" / "corpus"
MAX_THREADS = 2
POLL_SECONDS = 0.1  # between two measurements of the memory
RATIO_NOTE = "each ratio is the median of the ratios within a round"
FAIRNESS_NOTE = "What is fair and what is not: [README.md](README.md)."

KeyT = TypeVar("KeyT")
ResultT = TypeVar("ResultT")


class UnavailableError(Exception):
    """A contender cannot run. The message says why."""


class ProcessStats(NamedTuple):
    """What a process and its children used.

    Attributes:
        seconds: Time from start to end.
        memory: Peak memory in bytes, the maximum of `process_tree_pss`.
        output: What the process printed on stdout.
        timed_out: True if the process was stopped.
    """

    seconds: float
    memory: int
    output: str = ""
    timed_out: bool = False


def make_parser(name: str, rounds: int | None = None) -> argparse.ArgumentParser:
    """Return a parser of the options that the benchmarks share; `rounds` is a default."""
    parser = argparse.ArgumentParser(f"python -m benchmarks.{name}")
    if rounds is not None:
        parser.add_argument("--rounds", type=int, default=rounds, help="of interleaved turns")
    parser.add_argument("--out", type=Path, default=BENCHMARKS / f"{name}.md", help="the report")
    return parser


def limit_processors() -> int:
    """Restrict this process and its children to MAX_THREADS processors; return their number.

    Libraries differ in how their number of threads is set, but none can use another processor.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:MAX_THREADS])
    count = min(MAX_THREADS, cpu_count())
    os.environ |= {"OMP_NUM_THREADS": str(count), "RAYON_NUM_THREADS": str(count)}
    return count


def timeit(action: Callable[[], object]) -> float:
    """Return the seconds that a call of `action` takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def run_interleaved(
    contenders: Mapping[KeyT, Callable[[], ResultT]], rounds: int, warm_ups: int = 0
) -> dict[KeyT, list[ResultT]]:
    """Call each contender once per round.

    Returns:
        The results of each contender, without those of the first `warm_ups` rounds.
    """
    results: dict[KeyT, list[ResultT]] = {name: [] for name in contenders}
    for number in range(-warm_ups, rounds):
        for name, contender in contenders.items():
            result = contender()
            if number >= 0:
                results[name].append(result)
    return results


def drop_unavailable(contenders: dict[str, Callable[[], ResultT]]) -> list[list[str]]:
    """Call each contender once, as a warm-up, and remove those that cannot run.

    Returns:
        A row of the table for each that was removed.
    """
    missing = []
    for name, contender in list(contenders.items()):
        try:
            contender()
        except UnavailableError as error:
            del contenders[name]
            missing.append([f"{name}: left out, {error}"])
    return missing


def median_ratio(values: Sequence[float], reference: Sequence[float]) -> float:
    """Return the median over the rounds of `values / reference`."""
    return statistics.median(a / b for a, b in zip(values, reference, strict=False))


def run_monitored(
    command: Sequence[object],
    cwd: Path = ROOT,
    timeout: float = math.inf,
    poll_seconds: float | None = POLL_SECONDS,
) -> ProcessStats:
    """Run a command and measure the memory of the process and its children.

    Args:
        command: The program and its arguments.
        cwd: The working directory.
        timeout: Seconds after which the process is stopped by SIGTERM.
        poll_seconds: Time between two measurements of the memory. They slow a process a little.
            None: do not measure; no timeout then.

    Raises:
        UnavailableError: If the command fails. The message has its last line on stderr.
    """
    peak, timed_out, ended = 0, False, threading.Event()
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        start = time.perf_counter()
        process = subprocess.Popen(list(map(str, command)), stdout=stdout, stderr=stderr, cwd=cwd)

        def watch() -> None:
            nonlocal peak, timed_out
            while not ended.wait(poll_seconds):
                peak = max(peak, process_tree_pss(process.pid))
                if time.perf_counter() - start > timeout and not timed_out:
                    timed_out = True
                    process.terminate()

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            process.wait()
            seconds = time.perf_counter() - start
        finally:
            ended.set()
            watcher.join()
            process.kill()  # if this process was interrupted
        for file in (stdout, stderr):
            file.seek(0)
        output, errors = stdout.read().decode(), stderr.read().decode(errors="replace")
    if process.returncode and not timed_out:
        last_line = (errors.strip() or "no message").splitlines()[-1]
        raise UnavailableError(f"exit code {process.returncode}: {last_line}")
    return ProcessStats(seconds, peak, output, timed_out)


def run_stage(module: str, **options: object) -> ProcessStats:
    """Run a stage of `stages.imdb` by its command line and measure its memory."""
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    return run_monitored([sys.executable, "-m", f"stages.imdb.{module}", *arguments])


def process_tree_pss(pid: int) -> int:
    """Return the proportional set size of a process and its children together, in bytes.

    A page that n processes share counts 1 / n in each of them.
    """
    total = 0
    with suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            with suppress(psutil.Error):  # it has just ended
                memory = process.memory_full_info()
                total += getattr(memory, "pss", memory.uss)  # only Linux has PSS
    return total


@cache
def venv(name: str) -> Path:
    """Return the Python of the virtual environment for `requirements-<name>.txt`.

    The environment is created at the first call.

    Raises:
        UnavailableError: If the packages cannot be installed.
    """
    folder, requirements = BENCHMARKS / ".venvs" / name, BENCHMARKS / f"requirements-{name}.txt"
    python, installed = folder / "bin" / "python", folder / "installed.txt"
    content = requirements.read_text("utf-8")
    if installed.exists() and installed.read_text("utf-8") == content:
        return python
    log(f"installing {requirements.name} into {folder.relative_to(ROOT)}")
    commands: list[list[object]] = [
        [sys.executable, "-m", "venv", "--clear", folder],
        [python, "-m", "pip", "install", "--quiet", "--requirement", requirements],
    ]
    try:
        for command in commands:
            subprocess.run(list(map(str, command)), check=True, stdout=sys.stderr)
    except (subprocess.CalledProcessError, OSError):
        raise UnavailableError(f"{requirements.name} could not be installed") from None
    installed.write_text(content, "utf-8")
    return python


def pinned_version(name: str, package: str) -> str:
    """Return `package version` as pinned in `requirements-<name>.txt`."""
    lines = (BENCHMARKS / f"requirements-{name}.txt").read_text("utf-8").splitlines()
    [found] = [line.partition("==")[2] for line in lines if line.partition("==")[0] == package]
    return f"{package} {found}"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table; only the first column is aligned to the left.

    Missing cells at the end of a row are empty.
    """
    lines = [header, ["---", *["---:"] * (len(header) - 1)]]
    lines += [[*row, *[""] * (len(header) - len(row))] for row in rows]
    return [*("| " + " | ".join(line) + " |" for line in lines), ""]


def describe_machine(*packages: str) -> str:
    """Return the processor, the versions of Python and of packages, and the git revision.

    The revision ends with "-dirty" if a file is not as committed; other reports do not count.
    """

    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        return run.stdout.strip()

    versions = "".join(f", {package} {version(package)}" for package in packages)
    reports = [f":!benchmarks/*.{suffix}" for suffix in ("md", "png")]
    changes = git("status", "--porcelain", "--untracked-files=no", "--", ".", *reports)
    return (
        f"Recorded on: {processor_name()}, Python {platform.python_version()}{versions}, revision"
        f" {git('rev-parse', '--short', 'HEAD') or 'unknown'}{'-dirty' if changes else ''}."
    )


def processor_name() -> str:
    """Return the name of the processor and its architecture."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text("utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]} ({platform.machine()})" if names else platform.machine()


def write_report(
    path: Path, title: str, summary: str, lines: Sequence[str], *packages: str
) -> None:
    """Print a report and write it to a file, with the machine and the versions of packages."""
    command = f"Made by `python -m benchmarks.{path.stem}`."
    text = "\n".join(
        [f"# {title}", "", f"{summary} {command}", describe_machine(*packages), "", *lines]
    )
    print(text)
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
