"""The pipeline in a temporary clone of the repository, on little made-up data."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from stages.imdb.archive import digest, read_archive
from tests.imdb.made_up import PER_CLASS, files, pack
from tests.imdb.server import Behaviour, serve

ROOT = Path(__file__).parent.parent

SMALL = {
    "points": {"size": 200},
    "mlp": {"epochs": 5},
    "imdb": {
        "source": "stanford",
        "vocabulary": {"size": 100, "min_count": 1},
        "embedding_dim": 8,
        "validation": 0.2,
        "seeds": [1, 2],
        "mean": {"epochs": 8, "batch": 8, "learning_rate": 0.05},
        "pretrain": {"batch": 4, "steps": 8, "sample": 10},
        "lstm": {"epochs": 3, "batch": 8, "hidden": 8, "learning_rate": 0.02},
        "words": ["excellent", "awful"],
    },
}


def update(tree: dict[str, object], changes: dict[str, object]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict):
            branch = tree[key]
            assert isinstance(branch, dict)
            update(branch, value)
        else:
            tree[key] = value


class Clone:
    """A repository in a temporary folder, and the commands that a user gives there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fork(self, folder: Path) -> "Clone":
        """A git clone of this one that shares its DVC cache, all of its data checked out."""
        other = Clone(folder)
        self.git("clone", "-q", str(self.folder), str(folder))
        other.dvc("cache", "dir", "--local", str(self.folder / ".dvc" / "cache"))
        other.dvc("checkout")
        return other

    def command(
        self, *args: str, cwd: Path | None = None, archive: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as a user does who has activated the environment, or named an archive."""
        environment = {key: value for key, value in os.environ.items() if key != "IMDB_ARCHIVE"}
        if archive:
            environment["IMDB_ARCHIVE"] = str(archive)
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        environment["GIT_AUTHOR_NAME"] = environment["GIT_COMMITTER_NAME"] = "a test"
        environment["GIT_AUTHOR_EMAIL"] = environment["GIT_COMMITTER_EMAIL"] = "test@localhost"
        return subprocess.run(
            args,
            capture_output=True,
            text=True,
            cwd=cwd or self.folder,
            env=environment,
            check=False,
        )

    def dvc(self, *args: str, archive: Path | None = None) -> str:
        done = self.command("dvc", *args, archive=archive)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def git(self, *args: str) -> str:
        done = self.command("git", *args)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def stale(self) -> set[str]:
        """The stages that have changed, and those that follow from them."""
        stages = yaml.safe_load((self.folder / "dvc.lock").read_text("utf-8"))["stages"]
        stale = set(re.findall(r"Running stage '(.*?)'", self.dvc("repro", "--dry")))
        waiting = list(stale)
        while waiting:
            outs = [out["path"] for out in stages[waiting.pop()].get("outs", [])]
            for name, stage in stages.items():
                if name not in stale and any(dep["path"] in outs for dep in stage["deps"]):
                    stale.add(name)
                    waiting.append(name)
        return stale

    def set(self, changes: dict[str, object]) -> None:
        path = self.folder / "params.yaml"
        tree = yaml.safe_load(path.read_text("utf-8"))
        update(tree, changes)
        path.write_text(yaml.safe_dump(tree), "utf-8")


def copy_work_tree(folder: Path, leave_out: tuple[str, ...] = ()) -> Clone:
    """Copy the files that git knows or would add, but those whose paths begin as `leave_out`."""
    clone = Clone(folder)
    listed = clone.command("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).stdout
    for name in listed.splitlines():
        if (ROOT / name).is_file() and not name.startswith(leave_out):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return clone


def reproduced(folder: Path, server: Path) -> Clone:
    """A clone in which `dvc repro` has run once, the server breaking off the first download."""
    clone = copy_work_tree(folder, leave_out=("metrics/", "plots/", "dvc.lock"))
    archive = pack(files(), server / "archive.tar.gz")
    content = archive.read_bytes()
    behaviour = Behaviour(content, faults=[len(content) // 2])
    with serve(behaviour) as url:
        clone.set(SMALL)
        clone.set(
            {
                "imdb": {
                    "archive": {
                        "url": url,
                        "sha256": hashlib.sha256(content).hexdigest(),
                        "reviews_sha256": digest(read_archive(archive, PER_CLASS)),
                        "reviews_per_class": PER_CLASS,
                    }
                }
            }
        )
        clone.git("init", "-q", "-b", "main")
        clone.git("add", "-A")
        clone.git("commit", "-qm", "a clone")
        clone.dvc("repro")
    assert behaviour.requests == [None, f"bytes={len(content) // 2}-"]
    clone.git("add", "-A")
    clone.git("commit", "-qm", "results")
    return clone
