"""Give a stage too little disk or memory: its outputs must stay as they were, and come again."""

import contextlib
import hashlib
import os
import resource
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from tests.clone import ROOT, Clone
from tests.faults.kills import GUARD

BLOCK = 4_096


@dataclass(frozen=True)
class Stage:
    """A stage of a finished pipeline: its command, and the files and folders it makes."""

    name: str
    command: list[str]
    outs: list[str]


def stages(clone: Clone) -> list[Stage]:
    """The stages of a finished pipeline, as dvc.lock tells them."""
    locked = yaml.safe_load((clone.folder / "dvc.lock").read_text("utf-8"))["stages"]
    return [
        Stage(name, shlex.split(stage["cmd"]), [out["path"] for out in stage["outs"]])
        for name, stage in locked.items()
    ]


def run(
    stage: Stage, folder: Path, limit: Callable[[], None] = lambda: None
) -> subprocess.CompletedProcess[str]:
    """Run a stage by its own command, without DVC, in a process with a limit."""
    command = [sys.executable, *stage.command[1:]]
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=folder,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            preexec_fn=limit,
            check=False,
            timeout=GUARD,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"nothing for {GUARD:.0f} s")


def digests(stage: Stage, folder: Path) -> dict[str, str]:
    """The checksum of every file that a stage has made."""
    found: dict[str, str] = {}
    for out in stage.outs:
        path = folder / out
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                found[str(file.relative_to(folder))] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


@contextmanager
def small_disk(place: Path, clone: Clone) -> Iterator[Path]:
    """A copy of a finished clone on a file system of its own, of 64 MB; needs to be root.

    Raises:
        PermissionError: where that cannot be mounted.
    """
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        raise PermissionError("needs to be root, to mount a small file system")
    try:
        shutil.copytree(
            clone.folder, place / "clone", ignore=shutil.ignore_patterns(".git", ".dvc")
        )
        yield place / "clone"
    finally:
        subprocess.run(["umount", str(place)], check=True)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Fill the disk that a folder is on to the last block."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(BLOCK))
        except OSError:
            pass
    try:
        yield
    finally:
        filler.unlink()


def run_full(stage: Stage, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a stage with no block of the disk left."""
    with full(folder):
        return run(stage, folder)


def run_short(stage: Stage, folder: Path, share: float) -> subprocess.CompletedProcess[str]:
    """Run a stage with a share of the address space that it takes undisturbed.

    The address space, as it is the one limit that needs no root; what PyTorch reserves and never
    uses counts in it, hence the share.
    """
    size = int(share * peak(stage, folder))
    return run(stage, folder, lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size)))


def peak(stage: Stage, folder: Path) -> int:
    """The most address space that any process of an undisturbed stage takes, in bytes."""
    process = subprocess.Popen(
        [sys.executable, *stage.command[1:]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
    )
    most = 0
    while process.poll() is None:
        with contextlib.suppress(psutil.Error):
            parent = psutil.Process(process.pid)
            family = [parent, *parent.children(recursive=True)]
            most = max(most, *(each.memory_info().vms for each in family))
        time.sleep(0.05)
    return most


def starved(
    stage: Stage, folder: Path, attempt: Callable[[Stage], subprocess.CompletedProcess[str]]
) -> str:
    """Try a stage with too little of something, then with enough.

    Returns:
        What was not as it should be: a clear message, the outputs as before, the same again; "" if
        nothing was not.
    """
    before = digests(stage, folder)
    done = attempt(stage)
    said = done.stderr.strip().splitlines() or ["nothing"]
    after = digests(stage, folder)
    changed = [name for name in sorted({**before, **after}) if before.get(name) != after.get(name)]
    if done.returncode:  # what is written while a network is trained was cut off
        changed = [name for name in changed if not _grows(name)]
    wrong = []
    if done.returncode and not said[-1].startswith("error: "):
        wrong.append(f"it said {said[-1]!r:.80}")
    if changed:
        wrong.append(f"its outputs changed: {', '.join(changed)}")
    if run(stage, folder).returncode or digests(stage, folder) != before:
        wrong.append("it did not recover")
    return ", ".join(wrong)


def _grows(name: str) -> bool:
    """Whether DVCLive writes a file in place, step by step; all others appear whole."""
    return name.endswith((".tsv", "/metrics.json"))


def refused(archive: Path, per_class: int, folder: Path) -> str:
    """Hand an archive to the download stage, which must refuse it; why not, or ""."""
    folder.mkdir(exist_ok=True)
    tree = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    tree["imdb"]["archive"]["reviews_per_class"] = per_class
    (folder / "params.yaml").write_text(yaml.safe_dump(tree), "utf-8")
    args = ["--params", "params.yaml", "--archive", "none", "--reviews", "data/r.parquet"]
    done = subprocess.run(
        [sys.executable, "-m", "stages.imdb.download", *args, "--metrics", "data/m.json"],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "IMDB_ARCHIVE": str(archive), "PYTHONPATH": str(ROOT)},
        check=False,
    )
    if done.returncode != 1 or not done.stderr.splitlines()[-1].startswith("error: "):
        return f"it said {done.stderr[-200:]!r}"
    left = [path.name for path in folder.iterdir()]
    return "" if left == ["params.yaml"] else f"it wrote {left}"
