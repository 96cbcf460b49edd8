"""Files and folders appear whole or not at all."""

import json
from pathlib import Path

import pytest

from stages.common.errors import StageError, run
from stages.common.files import atomic, write_json


def test_a_file_takes_its_name_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with atomic(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("folder", [False, True])
def test_a_failure_leaves_what_was_there(tmp_path: Path, folder: bool) -> None:
    path = tmp_path / "a"
    path.write_text("before")

    def fail() -> None:
        with atomic(path) as temporary:
            if folder:
                temporary.mkdir()
                (temporary / "b").write_text("half")
            else:
                temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.mkdir()
    (path / "old").write_text("")
    with atomic(path) as temporary:
        temporary.mkdir()
        (temporary / "new").write_text("")
    assert [p.name for p in path.iterdir()] == ["new"]


def test_json_is_sorted_and_rounded(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": [1 / 3, 2], "a": {"c": 1e-9 / 3}})
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == {"a": {"c": 3.33333e-10}, "b": [0.333333, 2]}
    assert text.index('"a"') < text.index('"b"')
    with pytest.raises(ValueError, match="nan"):
        write_json(tmp_path / "b.json", {"a": float("nan")})
    assert not (tmp_path / "b.json").exists()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (StageError("mend it"), "error: mend it"),
        (OSError(28, "No space left on device", "data/x"), "no space left on the disk"),
        (OSError("Not enough free space to write 9 bytes"), "no space left on the disk"),
        (OSError("4096 requested and 17 written"), "no space left on the disk"),
        (PermissionError(13, "Permission denied", "data/x"), "data/x: Permission denied"),
        (MemoryError(), "out of memory"),
        (RuntimeError("could not create a primitive"), "out of memory"),
        (StageError("a: damaged (Failed to launch worker thread)"), "out of memory"),
    ],
)
def test_what_a_user_can_mend_is_one_line(error: Exception, message: str) -> None:
    def main() -> None:
        raise error

    with pytest.raises(SystemExit, match=message):
        run(main)


def test_a_bug_keeps_its_traceback() -> None:
    def main() -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        run(main)
