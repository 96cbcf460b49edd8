"""The first thing that a newcomer meets: what `make` says, also where something is missing."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clone import ROOT

MAKE = shutil.which("make")
pytestmark = pytest.mark.skipif(MAKE is None, reason="needs make")


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A folder where nothing is set up, and a `bin` with this Python and git and nothing else."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(sys.executable)
    git = shutil.which("git")
    assert git
    (tmp_path / "bin" / "git").symlink_to(git)
    return tmp_path


def make(folder: Path, *args: str, path: str = "", **environment: str) -> tuple[int, str]:
    """Run make with only `bin` to find programs in; its exit code and all that it says."""
    assert MAKE
    done = subprocess.run(
        [MAKE, *args],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PATH": f"{folder / 'bin'}{path}", **environment},
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def refused(outcome: tuple[int, str], folder: Path) -> str:
    """The one line that says why make did nothing; nothing is left half made."""
    code, said = outcome
    assert code != 0
    assert not (folder / ".venv").exists()
    lines = [line for line in said.splitlines() if not line.startswith("make")]
    assert len(lines) == 1, said
    return lines[0]


def test_make_alone_lists_its_targets(fresh: Path) -> None:
    code, said = make(fresh, path=f"{os.pathsep}{os.environ['PATH']}")
    assert code == 0
    targets = re.findall(r"^\.PHONY: (\w+)", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert re.findall(r"^  make (\w+) +\w", said, re.MULTILINE) == targets
    assert not (fresh / ".venv").exists()


@pytest.mark.parametrize("target", ["repro", "test", "plots"])
def test_without_python(fresh: Path, target: str) -> None:
    (fresh / "bin" / "python3").unlink()
    said = refused(make(fresh, target), fresh)
    assert said.startswith("error: python3 not found; install Python 3.11 or newer")


def test_with_an_old_python(fresh: Path) -> None:
    (fresh / "bin" / "python3").unlink()
    old = fresh / "bin" / "python3"
    old.write_text(
        f"#!{shutil.which('sh')}\n"
        'if [ "$1" = --version ]; then echo Python 3.10.4; else\n'
        f'  exec {sys.executable} -c "import sys; sys.version_info = (3, 10, 4); $2"; fi\n'
    )
    old.chmod(0o755)
    said = refused(make(fresh, "repro"), fresh)
    assert said.startswith("error: Python 3.10.4 is too old; Python 3.11 or newer is needed")


def test_without_git(fresh: Path) -> None:
    (fresh / "bin" / "git").unlink()
    assert refused(make(fresh, "repro"), fresh) == "error: git not found; install git"


def test_without_room_on_the_disk(fresh: Path) -> None:
    (fresh / "sitecustomize.py").write_text(
        "import shutil\n"
        "from types import SimpleNamespace\n"
        "shutil.disk_usage = lambda path: SimpleNamespace(free=5.9e9)\n"
    )
    said = refused(make(fresh, "repro", PYTHONPATH=str(fresh)), fresh)
    assert said == "error: less than 6 GB free on this disk"
