"""The download against a real server that fails in every way we could think of."""

import hashlib
import os
from pathlib import Path

import pytest

from stages.common.errors import StageError
from stages.imdb import fetch as module
from stages.imdb.fetch import UnreachableError, fetch
from tests.imdb.server import Behaviour, serve

CONTENT = os.urandom(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSES", (0, 0, 0, 0))


def only_whole(folder: Path) -> None:
    assert [p.name for p in folder.iterdir()] == ["a.tar.gz"]
    assert (folder / "a.tar.gz").read_bytes() == CONTENT


def test_downloads_and_verifies(tmp_path: Path) -> None:
    with serve(Behaviour(CONTENT)) as url:
        fetch(url, tmp_path / "a.tar.gz", SHA256)
    only_whole(tmp_path)


def test_a_broken_connection_is_resumed_where_it_broke(tmp_path: Path) -> None:
    behaviour = Behaviour(CONTENT, faults=[100_000, 50_000, "503"])
    with serve(behaviour) as url:
        fetch(url, tmp_path / "a.tar.gz", SHA256)
    only_whole(tmp_path)
    assert behaviour.requests == [None, "bytes=100000-", "bytes=150000-", "bytes=150000-"]


def test_a_server_without_ranges_starts_over(tmp_path: Path) -> None:
    behaviour = Behaviour(CONTENT, ranges=False, faults=[100_000])
    with serve(behaviour) as url:
        fetch(url, tmp_path / "a.tar.gz", SHA256)
    only_whole(tmp_path)


def test_the_next_run_resumes_and_the_bytes_of_another_file_are_thrown_away(tmp_path: Path) -> None:
    part = tmp_path / "a.tar.gz.part"
    part.write_bytes(CONTENT[:1234])
    behaviour = Behaviour(CONTENT)
    with serve(behaviour) as url:
        fetch(url, tmp_path / "a.tar.gz", SHA256)
    assert behaviour.requests == ["bytes=1234-"]
    only_whole(tmp_path)

    (tmp_path / "a.tar.gz").unlink()
    part.write_bytes(b"bytes of another file")
    with serve(Behaviour(CONTENT)) as url:
        fetch(url, tmp_path / "a.tar.gz", SHA256)
    only_whole(tmp_path)


def test_a_part_that_is_whole_already_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz.part").write_bytes(CONTENT)
    with serve(Behaviour(CONTENT)) as url:
        fetch(url, tmp_path / "a.tar.gz", SHA256)
    only_whole(tmp_path)


def test_wrong_bytes_are_refused_and_not_kept(tmp_path: Path) -> None:
    with serve(Behaviour(CONTENT[::-1])) as url, pytest.raises(StageError, match="SHA-256 is"):
        fetch(url, tmp_path / "a.tar.gz", SHA256)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_changes_between_two_requests_is_refused(tmp_path: Path) -> None:
    other = os.urandom(300_000)
    behaviour = Behaviour(other, faults=[100_000])
    with serve(behaviour) as url:
        behaviour.faults.append(other)
        behaviour.content = CONTENT
        with pytest.raises(StageError, match="SHA-256 is"):
            fetch(url, tmp_path / "a.tar.gz", SHA256)
        fetch(url, tmp_path / "a.tar.gz", SHA256)
    only_whole(tmp_path)


def test_a_connection_may_break_often_as_long_as_bytes_come(tmp_path: Path) -> None:
    with serve(Behaviour(CONTENT, faults=[20_000] * 12)) as url:
        fetch(url, tmp_path / "a.tar.gz", SHA256)
    only_whole(tmp_path)


def test_a_server_that_stalls_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT", (1, 0.2))
    with serve(Behaviour(CONTENT, faults=["stall", 100_000, "stall"])) as url:
        fetch(url, tmp_path / "a.tar.gz", SHA256)
    only_whole(tmp_path)


def test_an_address_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"imdb\.archive\.url"):
        fetch("https://", tmp_path / "a.tar.gz", SHA256)


@pytest.mark.parametrize("status", ["403", "404"])
def test_a_refusal_is_told_at_once(tmp_path: Path, status: str) -> None:
    behaviour = Behaviour(CONTENT, faults=[status])
    with serve(behaviour) as url, pytest.raises(StageError, match=f"answers {status}"):
        fetch(url, tmp_path / "a.tar.gz", SHA256)
    assert len(behaviour.requests) == 1
    assert not (tmp_path / "a.tar.gz").exists()


def test_no_server_at_all(tmp_path: Path) -> None:
    with serve(Behaviour(CONTENT)) as url:
        pass
    with pytest.raises(
        UnreachableError, match=r"Check the network, or name a copy .* IMDB_ARCHIVE"
    ):
        fetch(url, tmp_path / "a.tar.gz", SHA256)
    assert list(tmp_path.iterdir()) == []


def test_a_connection_that_always_breaks_keeps_what_came(tmp_path: Path) -> None:
    with (
        serve(Behaviour(CONTENT, faults=[50, 0, 0, 0, 0, 0])) as url,
        pytest.raises(UnreachableError, match="50 bytes are kept"),
    ):
        fetch(url, tmp_path / "a.tar.gz", SHA256)
    assert (tmp_path / "a.tar.gz.part").read_bytes() == CONTENT[:50]
