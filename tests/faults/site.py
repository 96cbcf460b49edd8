"""Clones to spoil: the whole pipeline on made-up reviews, with stages that last some seconds."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from stages.common.processes import processors
from stages.imdb.archive import digest, read_archive
from tests.clone import SMALL, Clone, copy_work_tree
from tests.imdb.made_up import PER_CLASS, files, pack
from tests.imdb.server import Behaviour, serve

# Trainings that last some seconds, so that a fault can come in the midst of them.
LONGER: dict[str, object] = {
    "imdb": {
        "mean": {"epochs": 12},
        "pretrain": {"epochs": 2, "threads": 1},  # two would wait for each other on a busy machine
        "lstm": {"epochs": 4},
    }
}
PROJECTS_1_AND_2 = [
    "points_figures", "mlp_compare", "mlp_gradients", "mlp_equations", "mlp_numpy_figures",
    "mlp_torch_figures",
]  # fmt: skip
# What another user may have otherwise, and what no output may depend on.
ELSEWHERE = {
    "LANGUAGE": "tr",
    "LC_ALL": "C",
    "OMP_NUM_THREADS": "2" if processors() == 1 else "1",
    "PYTHONHASHSEED": "1",
    "TZ": "Asia/Tokyo",
}


@dataclass
class Site:
    """Where clones are made.

    Attributes:
        folder: for clones.
        archive: the made-up reviews.
        url: where the server hands them out, slowly.
        behaviour: of the server.
    """

    folder: Path
    archive: Path
    url: str
    behaviour: Behaviour

    def clone(self, name: str) -> Clone:
        """A clean clone, in a git repository of its own."""
        clone = copy_work_tree(self.folder / name, leave_out=("metrics/", "plots/", "dvc.lock"))
        content = self.archive.read_bytes()
        archive: dict[str, object] = {
            "url": self.url,
            "sha256": hashlib.sha256(content).hexdigest(),
            "reviews_sha256": digest(read_archive(self.archive, PER_CLASS)),
            "reviews_per_class": PER_CLASS,
        }
        clone.set(SMALL)
        clone.set(LONGER)
        clone.set({"imdb": {"archive": archive}})
        clone.git("init", "-q", "-b", "main")
        self.commit(clone)
        return clone

    def copy(self, clone: Clone, name: str) -> Clone:
        """A copy of a clone as it stands, with its data and its DVC cache."""
        shutil.copytree(clone.folder, self.folder / name, symlinks=True)
        return Clone(self.folder / name)

    @staticmethod
    def commit(clone: Clone) -> None:
        clone.git("add", "-A")
        clone.git("commit", "-qm", "as it stands")


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """Serve the made-up reviews, so slowly that the download takes some seconds."""
    archive = pack(files(), folder / "archive.tar.gz")
    size = archive.stat().st_size
    behaviour = Behaviour(archive.read_bytes(), piece=size // 40, pause=0.1)
    with serve(behaviour) as url:
        yield Site(folder, archive, url, behaviour)


def start(clone: Clone, *args: str, **environment: str) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, so that Ctrl-C reaches all of it and no more.

    What it says goes to a file beside the clone, as a pipe that nobody reads would stop it.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {key: value for key, value in os.environ.items() if key != "IMDB_ARCHIVE"}
    # A shell has what it starts in the background ignore Ctrl-C, and all that they start does too.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with log(clone).open("ab") as said:
        return subprocess.Popen(
            args,
            stdout=said,
            stderr=said,
            cwd=clone.folder,
            env={**kept, "PATH": path, **environment},
            start_new_session=True,
        )


def log(clone: Clone) -> Path:
    """Where the commands that were started in a clone say what they have to say."""
    return clone.folder.with_suffix(".log")


def lock(clone: Clone) -> str:
    """The content of dvc.lock, which holds a checksum of every output."""
    return (clone.folder / "dvc.lock").read_text("utf-8")


def missing(clone: Clone) -> list[str]:
    """The outputs that dvc.lock lists and that are not there."""
    stages = yaml.safe_load(lock(clone))["stages"]
    outs = [out["path"] for stage in stages.values() for out in stage.get("outs", [])]
    return [path for path in outs if not (clone.folder / path).exists()]


def litter(clone: Clone) -> list[str]:
    """What a fault has left behind: temporary names, checkpoints."""
    data = clone.folder / "data"
    return [
        str(p)
        for p in [*data.rglob(".*.tmp"), *data.rglob("*.part"), *data.rglob(".checkpoints/*")]
    ]
