"""The download against a real server that fails in every way we could think of."""

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.common.errors import StageError
from stages.imdb import fetch as module
from stages.imdb.fetch import UnreachableError, fetch
from tests.faults.network import FAULTS, FILE, OTHER, answer, download
from tests.imdb.server import Answer, Behaviour, certify, serve

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


@pytest.mark.parametrize("status", ["401", "403", "404", "410", "416"])
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


@pytest.mark.parametrize("status", ["429", "500", "502", "503"])
def test_a_server_in_trouble_is_asked_again(tmp_path: Path, status: str) -> None:
    behaviour = Behaviour(CONTENT, faults=[status, 100_000, status])
    with serve(behaviour) as url:
        fetch(url, tmp_path / "a.tar.gz", SHA256)
    only_whole(tmp_path)
    assert len(behaviour.requests) == 4


@pytest.mark.parametrize(
    "first",
    [
        answer("302 Found", "Location: /elsewhere"),
        answer("200 OK", body=CONTENT),
        answer("200 OK", "Content-Length: \xb2", body=CONTENT),
        answer("200 OK", f"Content-Length: {'9' * 5_000}", body=CONTENT),
        answer("200 OK", "Content-Length: 300000", "Content-Encoding: gzip", body=CONTENT),
        answer("200 OK", "Content-Length: 400000", body=CONTENT),
        answer("200 OK", "Transfer-Encoding: chunked", body=b"493e0\r\n" + CONTENT[:9]),
        answer("200 OK", "Transfer-Encoding: chunked", body=b"no number\r\n" + CONTENT),
        answer("206 Partial Content", "Content-Range: bytes 0-299999/300000", body=CONTENT),
        answer("\x1b]0;owned\x07 rubbish"),
        Answer(b""),
        Answer(b"rubbish" * 100),
    ],
)  # fmt: skip
def test_an_odd_answer_is_understood_or_asked_for_again(tmp_path: Path, first: Answer) -> None:
    with serve(Behaviour(CONTENT, faults=[first])) as url:
        fetch(url, tmp_path / "a.tar.gz", SHA256)
    only_whole(tmp_path)


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (answer("200 OK", "Content-Length: 500", body=CONTENT), "SHA-256 is"),
        (answer("200 OK", "Content-Length: 0", body=CONTENT), "SHA-256 is"),
        (answer("200 OK", body=CONTENT[:500]), "SHA-256 is"),
        (answer("206 P", "Content-Range: bytes 9-299999/300000", body=CONTENT[9:]), "SHA-256 is"),
        (answer("200 OK", f"Content-Length: {10**15}", body=CONTENT), "that is not the data set"),
        (answer("200 OK", "Content-Length: 5, 7", body=CONTENT), "correct imdb.archive.url"),
        (answer("204 No Content"), "answers 204"),
        (answer("302 Found"), "answers 302"),
        (answer("302 Found", "Location: file:///etc/passwd"), "correct imdb.archive.url"),
        (answer("302 Found", "Location: http://[::1"), "correct imdb.archive.url"),
        (answer("302 Found", "Location: http://a..b/"), "correct imdb.archive.url"),
        (answer("302 Found", "Location: http://\xff\xfe/"), "correct imdb.archive.url"),
    ],
)
def test_an_answer_that_cannot_be_the_file_is_refused(
    tmp_path: Path, first: Answer, message: str
) -> None:
    with serve(Behaviour(CONTENT, faults=[first])) as url:
        with pytest.raises(StageError, match=message):
            fetch(url, tmp_path / "a.tar.gz", SHA256)
        assert list(tmp_path.iterdir()) == []
        fetch(url, tmp_path / "a.tar.gz", SHA256)
    only_whole(tmp_path)


def test_redirects_that_lead_nowhere_end(tmp_path: Path) -> None:
    circle = answer("302 Found", "Location: /archive.tar.gz")
    with (
        serve(Behaviour(CONTENT, faults=[circle] * 50)) as url,
        pytest.raises(StageError, match="redirects"),
    ):
        fetch(url, tmp_path / "a.tar.gz", SHA256)
    assert list(tmp_path.iterdir()) == []


def test_a_body_without_an_end_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST", 400_000)
    endless = answer("200 OK", body=CONTENT * 100)
    with (
        serve(Behaviour(CONTENT, faults=[endless])) as url,
        pytest.raises(StageError, match="SHA-256 is"),
    ):
        fetch(url, tmp_path / "a.tar.gz", SHA256)
    assert list(tmp_path.iterdir()) == []


def test_what_a_server_says_does_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    escapes = "\x1b]0;owned\x07"
    rubbish = Answer(escapes.encode() * 5_000)
    faults = [answer(f"503 {escapes}"), answer(escapes), rubbish, answer(f"404 {escapes}")]
    with serve(Behaviour(CONTENT, faults=[*faults])) as url, pytest.raises(StageError) as error:
        fetch(url, tmp_path / "a.tar.gz", SHA256)
    said = capsys.readouterr().err + str(error.value)
    assert "\x1b" not in said
    assert max(map(len, said.splitlines())) < 400


def test_https_needs_a_certificate_and_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certify(tmp_path / "certificate.pem")
    folder = tmp_path / "data"
    plain, secure = Behaviour(CONTENT), Behaviour(CONTENT)
    with serve(plain) as open_url, serve(secure, certificate) as url:
        with pytest.raises(UnreachableError, match="(?i)certificate verify failed"):
            fetch(url, folder / "a.tar.gz", SHA256)

        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        secure.faults.append(answer("302 Found", f"Location: {open_url}"))
        with pytest.raises(StageError, match="No connection adapters were found for 'http:"):
            fetch(url, folder / "a.tar.gz", SHA256)
        assert plain.requests == []
        assert not list(folder.iterdir())

        fetch(url, folder / "a.tar.gz", SHA256)
    only_whole(folder)


@settings(max_examples=25)
@given(
    faults=st.lists(st.sampled_from(list(FAULTS)), max_size=4),
    part=st.sampled_from([b"", FILE[:100], FILE[:-1], FILE, FILE + b"x", OTHER]),
    ranges=st.booleans(),
)
def test_whatever_the_server_does_the_file_comes_whole_or_not_at_all(
    tmp_path_factory: pytest.TempPathFactory, faults: list[str], part: bytes, ranges: bool
) -> None:
    troubles = [FAULTS[name] for name in faults]
    assert download(troubles, part, ranges, tmp_path_factory.mktemp("data")) == ""
