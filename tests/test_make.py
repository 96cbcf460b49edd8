"""The targets of the Makefile, and their messages where something is missing."""

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
    """A folder without an environment, and a folder `bin` with only this Python and git."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(sys.executable)
    git = shutil.which("git")
    assert git
    (tmp_path / "bin" / "git").symlink_to(git)
    return tmp_path


def make(folder: Path, *args: str, path: str = "", **environment: str) -> tuple[int, str]:
    """Run make; return its exit code and its output.

    Args:
        folder: Where to run it; programs are found in its folder `bin` only.
        args: Of make.
        path: More folders for programs.
        environment: More variables.
    """
    assert MAKE
    process = subprocess.run(
        [MAKE, *args],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PATH": f"{folder / 'bin'}{os.pathsep}{path}", **environment},
        check=False,
    )
    return process.returncode, process.stdout + process.stderr


def error_line(result: tuple[int, str], folder: Path) -> str:
    """Return the only line that a failed make prints; it must not leave half an environment."""
    code, output = result
    assert code != 0
    assert not (folder / ".venv").exists()
    lines = [line for line in output.splitlines() if not line.startswith("make")]
    assert len(lines) == 1, output
    return lines[0]


def test_make_alone_lists_its_targets(fresh: Path) -> None:
    code, output = make(fresh, path=os.environ["PATH"])
    assert code == 0
    targets = re.findall(r"^\.PHONY: (\w+)", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert re.findall(r"^  make (\w+) +\w", output, re.MULTILINE) == targets
    assert not (fresh / ".venv").exists()


def test_a_missing_python_is_an_error(fresh: Path) -> None:
    (fresh / "bin" / "python3").unlink()
    error = error_line(make(fresh, "test"), fresh)
    assert error.startswith("error: python3 not found; install Python 3.11 or newer")


def test_an_old_python_is_an_error(fresh: Path) -> None:
    (fresh / "bin" / "python3").unlink()
    old = fresh / "bin" / "python3"
    old.write_text(
        f"#!{shutil.which('sh')}\n"
        'if [ "$1" = --version ]; then echo Python 3.10.4; else\n'
        f'  exec {sys.executable} -c "import sys; sys.version_info = (3, 10, 4); $2"; fi\n'
    )
    old.chmod(0o755)
    error = error_line(make(fresh, "repro"), fresh)
    assert error.startswith("error: Python 3.10.4 is too old; Python 3.11 or newer is needed")


def test_a_missing_git_is_an_error(fresh: Path) -> None:
    (fresh / "bin" / "git").unlink()
    assert error_line(make(fresh, "repro"), fresh) == "error: git not found; install git"


def test_a_full_disk_is_an_error(fresh: Path) -> None:
    (fresh / "sitecustomize.py").write_text(
        "import shutil\n"
        "from types import SimpleNamespace\n"
        "shutil.disk_usage = lambda path: SimpleNamespace(free=5.9e9)\n"
    )
    error = error_line(make(fresh, "repro", PYTHONPATH=str(fresh)), fresh)
    assert error == "error: less than 6 GB free on this disk"


@pytest.mark.parametrize(
    ("archive", "expected"),
    [
        ("copy.tar.gz", "{folder}/copy.tar.gz"),
        ("my data/a copy.tar.gz", "{folder}/my data/a copy.tar.gz"),
        ("/my data/a copy.tar.gz", "/my data/a copy.tar.gz"),
        ("a$b $(c) $$.tar.gz", "{folder}/a$b $(c) $$.tar.gz"),
    ],
)
@pytest.mark.parametrize("on_the_command_line", [False, True])
def test_the_path_of_an_archive_may_be_relative_and_contain_blanks(
    fresh: Path, archive: str, expected: str, on_the_command_line: bool
) -> None:
    environment = fresh / ".venv" / "bin"
    environment.mkdir(parents=True)
    for name, command in {"dvc": 'echo "archive: $IMDB_ARCHIVE"', "python": "true"}.items():
        (environment / name).write_text(f"#!{shutil.which('sh')}\n{command}\n")
        (environment / name).chmod(0o755)
    (fresh / ".venv" / ".ready").touch()
    if on_the_command_line:
        code, output = make(fresh, "repro", f"IMDB_ARCHIVE={archive}", path=os.environ["PATH"])
    else:
        code, output = make(fresh, "repro", path=os.environ["PATH"], IMDB_ARCHIVE=archive)
    assert code == 0, output
    assert f"archive: {expected.format(folder=fresh)}\n" in output
    assert "plots/*.png" in output
    assert "make experiments" in output
