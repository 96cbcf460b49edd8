"""The pipeline in a temporary clone of the repository, on a small made-up data set."""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from dvc.repo import Repo

from stages.imdb.download.aclimdb import read_archive, reviews_sha256
from tests.imdb.made_up import PER_CLASS, files, pack
from tests.imdb.server import Behaviour, serve

ROOT = Path(__file__).parent.parent
ALWAYS_CHANGED = "always changed"  # what `dvc status` says of the stage `source`

SMALL: dict[str, object] = {
    "points": {"n_samples": 200},
    "mlp": {"epochs": 5},
    "imdb": {
        "source": "stanford",
        "vocabulary": {"size": 100, "min_count": 1},
        "embedding_dim": 8,
        "validation": 0.2,
        "seeds": [1, 2],
        "mean": {"epochs": 8, "batch_size": 8, "learning_rate": 0.05},
        "pretrain": {"batch_size": 4, "bptt": 8, "num_sampled": 10},
        "lstm": {
            "epochs": 3, "batch_size": 8, "hidden_size": 8, "learning_rate": 0.02,
            "num_buckets": 1_000,
        },
        "neighbour_words": ["excellent", "awful"],
    },
}  # fmt: skip


def update(tree: dict[str, object], changes: dict[str, object]) -> None:
    """Set some values of nested dictionaries; a new key is a mistake."""
    for key, value in changes.items():
        branch = tree[key]
        if isinstance(value, dict):
            assert isinstance(branch, dict)
            update(branch, value)
        else:
            tree[key] = value


class Clone:
    """A repository in a temporary folder, and the commands that a user runs there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fork(self, folder: Path) -> "Clone":
        """Copy everything: work tree, git repository and DVC cache."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Clone(folder)

    def command(self, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a user who has activated the environment."""
        return subprocess.run(
            args,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=_environment(environment),
            check=False,
        )

    def start(self, *args: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a command in a session of its own, so that Ctrl-C reaches nothing else.

        Its output is appended to `log_path`: a pipe without a reader would block it.
        """
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                args,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=_environment(environment),
                start_new_session=True,
            )

    @property
    def log_path(self) -> Path:
        """The output of the commands that were started."""
        return self.folder.with_suffix(".log")

    def dvc(self, *args: str, **environment: str) -> str:
        """Run a DVC command that must succeed; return its output."""
        return self._checked("dvc", *args, **environment)

    def git(self, *args: str) -> str:
        """Run a git command that must succeed; return its output."""
        return self._checked("git", *args)

    def _checked(self, *args: str, **environment: str) -> str:
        process = self.command(*args, **environment)
        assert process.returncode == 0, process.stdout + process.stderr
        return process.stdout

    def repro(self, *args: str, **environment: str) -> list[str]:
        """Run `dvc repro`; return the stages that ran, except `source`, which always runs."""
        output = self.dvc("repro", *args, **environment)
        stages = re.findall(r"^Running stage '(.+)':", output, re.MULTILINE)
        assert "source" in stages or args
        return [name for name in stages if name != "source"]

    def lock(self) -> str:
        """Return the content of dvc.lock, which has a checksum of every output."""
        return (self.folder / "dvc.lock").read_text("utf-8")

    def locked_stages(self) -> dict[str, dict[str, list[dict[str, str]]]]:
        """Return the stages of dvc.lock by name; those of a matrix one by one."""
        return yaml.safe_load(self.lock())["stages"]

    def outputs(self) -> list[Path]:
        """Return the paths of all outputs in dvc.lock."""
        stages = self.locked_stages().values()
        return [self.folder / out["path"] for stage in stages for out in stage.get("outs", [])]

    def stale(self) -> set[str]:
        """Return the stages that have changed, and those that depend on their outputs."""
        stages = self.locked_stages()
        # In this process: many tests need it, and the command `dvc` takes a second to start.
        with contextlib.chdir(self.folder), Repo() as repo:
            status = repo.status()
        stale = {name for name, changes in status.items() if changes != [ALWAYS_CHANGED]}
        pending = list(stale)
        while pending:
            outs = {out["path"] for out in stages[pending.pop()].get("outs", [])}
            for name, stage in stages.items():
                if name not in stale and any(
                    out == dep["path"] or out.startswith(f"{dep['path']}/")
                    for dep in stage["deps"]
                    for out in outs
                ):
                    stale.add(name)
                    pending.append(name)
        return stale

    def set(self, changes: dict[str, object]) -> None:
        """Change some values of params.yaml."""
        path = self.folder / "params.yaml"
        tree = yaml.safe_load(path.read_text("utf-8"))
        update(tree, changes)
        path.write_text(yaml.safe_dump(tree), "utf-8")

    def commit(self, message: str = "test") -> None:
        """Commit everything."""
        self.git("add", "-A")
        self.git("commit", "-qm", message)


def _environment(changes: dict[str, str]) -> dict[str, str]:
    environment = {key: value for key, value in os.environ.items() if key != "IMDB_ARCHIVE"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    for role in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{role}_NAME": "test", f"GIT_{role}_EMAIL": "test@localhost"}
    return environment | changes


def copy_work_tree(folder: Path, leave_out: tuple[str, ...] = ()) -> Clone:
    """Copy the files that git tracks or would add, except paths that start with `leave_out`."""
    for name in Clone(ROOT).git("ls-files", "-co", "--exclude-standard").splitlines():
        if (ROOT / name).is_file() and not name.startswith(leave_out):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return Clone(folder)


def create_clone(
    folder: Path, archive: Path, url: str, changes: dict[str, object] | None = None
) -> Clone:
    """Copy the work tree, without results, to a git repository of its own; set small parameters.

    Args:
        folder: Where to create it.
        archive: An archive of made-up reviews.
        url: Where that archive is served.
        changes: More values for params.yaml.
    """
    clone = copy_work_tree(folder, leave_out=("metrics/", "plots/", "dvc.lock"))
    clone.set(SMALL)
    source = {
        "url": url,
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "reviews_sha256": reviews_sha256(read_archive(archive, PER_CLASS)),
        "reviews_per_class": PER_CLASS,
    }
    clone.set({"imdb": {"archive": source}})
    clone.set(changes or {})
    clone.git("init", "-q", "-b", "main")
    clone.commit()
    return clone


def create_reproduced_clone(folder: Path, archive: Path) -> Clone:
    """Create a clone and run the pipeline there once; the server breaks off the first download."""
    size = pack(files(), archive).stat().st_size
    behaviour = Behaviour(archive.read_bytes(), faults=[size // 2])
    with serve(behaviour) as url:
        clone = create_clone(folder, archive, url)
        clone.dvc("repro")
    assert behaviour.requests == [None, f"bytes={size // 2}-"]
    clone.commit("results")
    return clone
