"""What every benchmark does: take turns, tell medians, watch memory, write a table.

All contenders, ours too, run on the same processors (`use_processors`) and threads, and in turns:
what slows the machine for a while slows them all.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import psutil

from stages.common.files import atomic
from stages.common.processes import processors
from stages.common.progress import say

ROOT = Path(__file__).parent.parent
VENVS = ROOT / "benchmarks" / ".venvs"
REVIEWS = ROOT / "data" / "imdb" / "reviews.parquet"
VOCABULARY = ROOT / "data" / "imdb" / "vocabulary"
MOST_THREADS = 2
POLL = 0.1  # seconds between two looks at the memory

# Stands above every table with a column of ratios; see `ratio`.
WITHIN = "ratios are the medians of those within a round"

ResultT = TypeVar("ResultT")


class MissingError(Exception):
    """A contender cannot take part; the message says why."""


class Run(NamedTuple):
    """What a process and all that it started took.

    Attributes:
        seconds: from its start to its end.
        memory: bytes at the peak, of it and of all that it started: their proportional shares (PSS)
            added up, in which a page that two of them use counts half in each.
        output: what it printed on stdout.
    """

    seconds: float
    memory: int
    output: str


def use_processors() -> int:
    """Keep this process, and all that it starts, to MOST_THREADS processors; how many there are.

    Libraries differ in how they are told their number of threads; none can use a processor more.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:MOST_THREADS])
    count = min(MOST_THREADS, processors())
    for name in ("OMP_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[name] = str(count)
    return count


def take_turns(
    contenders: Mapping[str, Callable[[], ResultT]], rounds: int, warm_ups: int = 0
) -> dict[str, list[ResultT]]:
    """Call each contender once a round; the results, but for the first `warm_ups` rounds."""
    results: dict[str, list[ResultT]] = {name: [] for name in contenders}
    for number in range(-warm_ups, rounds):
        for name, contender in contenders.items():
            result = contender()
            if number >= 0:
                results[name].append(result)
    return results


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> float:
    """The median of theirs / ours, within a round."""
    return statistics.median(a / b for a, b in zip(theirs, ours, strict=False))


def seconds_of(action: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def watched(command: Sequence[object], cwd: Path = ROOT) -> Run:
    """Run a command, watching the memory of it and of all that it starts.

    Raises:
        MissingError: when it fails; with the end of what it wrote on stderr.
    """
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command], stdout=subprocess.PIPE, stderr=errors, cwd=cwd
        )
        peak = 0

        def watch() -> None:
            nonlocal peak
            while process.returncode is None:
                peak = max(peak, tree_memory(process.pid))
                time.sleep(POLL)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            output = process.communicate()[0].decode()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            seconds = time.perf_counter() - start
            watcher.join()
        if process.returncode:
            errors.seek(0)
            last = (errors.read().decode(errors="replace").strip() or "no message").splitlines()[-1]
            raise MissingError(f"ended with {process.returncode}: {last}")
    return Run(seconds, peak, output)


def run_stage(module: str, *words: object, **options: object) -> Run:
    """Run one of the pipeline's commands, watched."""
    named = [part for name, value in options.items() for part in (f"--{name}", value)]
    return watched([sys.executable, "-m", f"stages.imdb.{module}", *words, *named])


def tree_memory(pid: int) -> int:
    """Bytes that a process and all that it started take, what they share counted once."""
    total = 0
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    for process in family:
        try:
            memory = process.memory_full_info()
            total += getattr(memory, "pss", memory.uss)  # PSS is Linux's; elsewhere USS
        except psutil.Error:  # it has just ended
            continue
    return total


@cache
def venv(name: str) -> Path:
    """The Python of a contender's own environment, made of `requirements-<name>.txt` if need be.

    Raises:
        MissingError: when its packages cannot be installed.
    """
    folder, requirements = VENVS / name, ROOT / "benchmarks" / f"requirements-{name}.txt"
    python, done = folder / "bin" / "python", folder / "done.txt"
    wanted = requirements.read_text("utf-8")
    if done.exists() and done.read_text("utf-8") == wanted:
        return python
    commands: list[list[object]] = [
        [sys.executable, "-m", "venv", "--clear", folder],
        [python, "-m", "pip", "install", "--quiet", "--requirement", requirements],
    ]
    say(f"installing {requirements.name} into {folder.relative_to(ROOT)}, once")
    try:
        for command in commands:
            subprocess.run([str(part) for part in command], check=True, stdout=sys.stderr)
    except (subprocess.CalledProcessError, OSError):
        raise MissingError(f"{requirements.name} could not be installed") from None
    done.write_text(wanted, "utf-8")
    return python


class Worker:
    """A contender in a process of its own, which waits for its turns; see `turns.serve`."""

    def __init__(self, command: Sequence[object], **environment: str) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  open as long as the process
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            cwd=ROOT,
            env={**os.environ, **environment},
        )

    def tell(self, **order: float) -> None:
        """Begin a turn."""
        assert self.process.stdin  # noqa: S101  a pipe
        try:
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # `answer` tells why

    def answer(self) -> Any:
        """What came of the turn.

        Raises:
            MissingError: when the process has failed.
        """
        assert self.process.stdout  # noqa: S101  a pipe
        if line := self.process.stdout.readline():
            return json.loads(line)
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace").strip() or "no message"
        raise MissingError(f"ended with {self.process.wait()}: {said.splitlines()[-1]}")

    def end(self) -> None:
        """Let the process end."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()


@contextmanager
def ended(workers: Sequence[Worker]) -> Iterator[None]:
    """See to it that they end."""
    try:
        yield
    finally:
        for worker in workers:
            worker.end()


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table, its first column to the left, the others to the right; and an empty line.

    A row may be too short: its last columns are empty.
    """
    lines = [header, ["---", *["---:"] * (len(header) - 1)]]
    lines += [[*row, *[""] * (len(header) - len(row))] for row in rows]
    return [*("| " + " | ".join(line) + " |" for line in lines), ""]


def machine(*packages: str) -> str:
    """The processor, Python and some packages, as they stand above every table."""
    name = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text("utf-8").splitlines()
        models = [line.partition(":")[2].strip() for line in lines if line[:10] == "model name"]
        name = f"{models[0]} ({name})" if models else name
    versions = "".join(f", {package} {version(package)}" for package in packages)
    return f"{name}, Python {platform.python_version()}{versions}."


def pinned(name: str, package: str) -> str:
    """`package version` of a contender's requirements."""
    lines = (ROOT / "benchmarks" / f"requirements-{name}.txt").read_text("utf-8").splitlines()
    (found,) = [line.partition("==")[2] for line in lines if line.partition("==")[0] == package]
    return f"{package} {found}"


def write(path: Path, lines: Sequence[str]) -> None:
    """Print and write the page."""
    text = "\n".join(lines)
    print(text)
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
