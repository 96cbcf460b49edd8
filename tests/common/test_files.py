"""Atomic writes, and metrics that are written with rounded floats."""

import json
from pathlib import Path

import pandas as pd
import pytest

from stages.common.files import atomic_write, write_csv, write_json


@pytest.mark.parametrize("folder", [False, True])
def test_a_failed_write_keeps_the_old_file(tmp_path: Path, folder: bool) -> None:
    path = tmp_path / "a"
    path.write_text("before")

    def fail() -> None:
        with atomic_write(path) as temporary:
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


def test_a_folder_is_replaced_completely(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.mkdir()
    (path / "old").write_text("")
    with atomic_write(path) as temporary:
        temporary.mkdir()
        (temporary / "new").write_text("")
    assert [p.name for p in path.iterdir()] == ["new"]


def test_leftovers_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".a.123.tmp").mkdir()
    (tmp_path / ".a.123.tmp" / "half").write_text("")
    (tmp_path / ".a.124.tmp").write_text("half")
    (tmp_path / ".ab.125.tmp").write_text("of another file")
    with atomic_write(tmp_path / "a") as temporary:
        temporary.write_text("")
    assert {p.name for p in tmp_path.iterdir()} == {"a", ".ab.125.tmp"}


def test_json_is_sorted_and_rounded_to_six_digits(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": [1 / 3, 2], "a": {"c": 1e-9 / 3}})
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == {"a": {"c": 3.33333e-10}, "b": [0.333333, 2]}
    assert text.index('"a"') < text.index('"b"')


def test_json_refuses_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nan is not finite"):
        write_json(tmp_path / "b.json", {"a": float("nan")})
    assert not (tmp_path / "b.json").exists()


def test_csv_is_rounded_to_six_digits(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", pd.DataFrame({"a": [1 / 3], "b": ["x"]}))
    assert (tmp_path / "a.csv").read_bytes() == b"a,b\n0.333333,x\n"
