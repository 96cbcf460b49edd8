"""The download, tested against a real server that fails in many ways."""

import hashlib
import os
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.common.errors import UserError
from stages.imdb.download import http
from stages.imdb.download.http import UnreachableError, download_file
from tests.faults.network import FAULTS, FILE, OTHER, answer, download
from tests.imdb.server import Answer, Behaviour, certify, serve

CONTENT = os.urandom(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BACKOFF", (0, 0, 0, 0))


def assert_complete(folder: Path) -> None:
    """Check that the folder holds the whole file and nothing else."""
    assert [p.name for p in folder.iterdir()] == ["a.tar.gz"]
    assert (folder / "a.tar.gz").read_bytes() == CONTENT


def test_a_broken_transfer_resumes_where_it_broke(tmp_path: Path) -> None:
    behaviour = Behaviour(CONTENT, faults=[100_000, 50_000, "503"])
    with serve(behaviour) as url:
        download_file(url, tmp_path / "a.tar.gz", SHA256)
    assert_complete(tmp_path)
    assert behaviour.requests == [None, "bytes=100000-", "bytes=150000-", "bytes=150000-"]


def test_without_support_for_ranges_the_transfer_starts_over(tmp_path: Path) -> None:
    behaviour = Behaviour(CONTENT, ranges=False, faults=[100_000])
    with serve(behaviour) as url:
        download_file(url, tmp_path / "a.tar.gz", SHA256)
    assert_complete(tmp_path)


def test_the_next_run_resumes_and_discards_the_bytes_of_another_file(tmp_path: Path) -> None:
    partial = tmp_path / "a.tar.gz.part"
    partial.write_bytes(CONTENT[:1234])
    behaviour = Behaviour(CONTENT)
    with serve(behaviour) as url:
        download_file(url, tmp_path / "a.tar.gz", SHA256)
    assert behaviour.requests == ["bytes=1234-"]
    assert_complete(tmp_path)

    (tmp_path / "a.tar.gz").unlink()
    partial.write_bytes(b"bytes of another file")
    with serve(Behaviour(CONTENT)) as url:
        download_file(url, tmp_path / "a.tar.gz", SHA256)
    assert_complete(tmp_path)


def test_a_partial_file_that_is_already_complete_is_used(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz.part").write_bytes(CONTENT)
    with serve(Behaviour(CONTENT)) as url:
        download_file(url, tmp_path / "a.tar.gz", SHA256)
    assert_complete(tmp_path)


def test_a_connection_may_break_often_if_new_bytes_arrive(tmp_path: Path) -> None:
    with serve(Behaviour(CONTENT, faults=[20_000] * 12)) as url:
        download_file(url, tmp_path / "a.tar.gz", SHA256)
    assert_complete(tmp_path)


def test_a_server_that_stalls_is_abandoned_and_retried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "TIMEOUT", (1, 0.2))
    with serve(Behaviour(CONTENT, faults=["stall", 100_000, "stall"])) as url:
        download_file(url, tmp_path / "a.tar.gz", SHA256)
    assert_complete(tmp_path)


@pytest.mark.parametrize(
    "behaviour", [Behaviour(CONTENT, faults=["stall"]), Behaviour(CONTENT, piece=1000, pause=1)]
)
def test_a_server_that_stalls_before_or_within_the_file_is_reported(
    behaviour: Behaviour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "TIMEOUT", (1, 0.2))
    monkeypatch.setattr(http, "BACKOFF", ())
    with serve(behaviour) as url, pytest.raises(UnreachableError, match=r"sent nothing for 0\.2 s"):
        download_file(url, tmp_path / "a.tar.gz", SHA256)


@pytest.mark.skipif(sys.platform != "linux", reason="the length of the queue differs elsewhere")
def test_a_connection_timeout_is_reported_with_its_own_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "TIMEOUT", (0.25, 30))
    monkeypatch.setattr(http, "BACKOFF", ())
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:  # accepts no connection
        address = server.getsockname()
        with (
            socket.create_connection(address),  # fills the queue of connections
            pytest.raises(UnreachableError, match=r"no connection within 0\.25 s"),
        ):
            download_file(f"http://127.0.0.1:{address[1]}/", tmp_path / "a.tar.gz", SHA256)


def test_an_invalid_address_names_the_parameter(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"imdb\.archive\.url"):
        download_file("https://", tmp_path / "a.tar.gz", SHA256)


@pytest.mark.parametrize("status", ["404", "416"])
def test_a_refusal_is_not_retried(tmp_path: Path, status: str) -> None:
    behaviour = Behaviour(CONTENT, faults=[status])
    with serve(behaviour) as url, pytest.raises(UserError, match=f"answers {status}"):
        download_file(url, tmp_path / "a.tar.gz", SHA256)
    assert len(behaviour.requests) == 1
    assert not (tmp_path / "a.tar.gz").exists()


def test_an_unreachable_server_is_reported(tmp_path: Path) -> None:
    with serve(Behaviour(CONTENT)) as url:
        pass
    with pytest.raises(
        UnreachableError, match=r"Check the network, or name a copy .* IMDB_ARCHIVE"
    ):
        download_file(url, tmp_path / "a.tar.gz", SHA256)
    assert list(tmp_path.iterdir()) == []


def test_a_connection_that_always_breaks_keeps_the_received_bytes(tmp_path: Path) -> None:
    with (
        serve(Behaviour(CONTENT, faults=[50, 0, 0, 0, 0, 0])) as url,
        pytest.raises(UnreachableError, match="50 bytes are kept"),
    ):
        download_file(url, tmp_path / "a.tar.gz", SHA256)
    assert (tmp_path / "a.tar.gz.part").read_bytes() == CONTENT[:50]


@pytest.mark.parametrize("status", ["429", "503"])
def test_a_server_error_is_retried(tmp_path: Path, status: str) -> None:
    behaviour = Behaviour(CONTENT, faults=[status, 100_000, status])
    with serve(behaviour) as url:
        download_file(url, tmp_path / "a.tar.gz", SHA256)
    assert_complete(tmp_path)
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
def test_an_unusual_answer_is_understood_or_retried(tmp_path: Path, first: Answer) -> None:
    with serve(Behaviour(CONTENT, faults=[first])) as url:
        download_file(url, tmp_path / "a.tar.gz", SHA256)
    assert_complete(tmp_path)


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (answer("200 OK", "Content-Length: 500", body=CONTENT), "SHA-256 is"),
        (answer("200 OK", "Content-Length: 0", body=CONTENT), "SHA-256 is"),
        (answer("200 OK", body=CONTENT[:500]), "SHA-256 is"),
        (answer("206 P", "Content-Range: bytes 9-299999/300000", body=CONTENT[9:]), "SHA-256 is"),
        (answer("200 OK", f"Content-Length: {10**15}", body=CONTENT), "not the data set"),
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
        with pytest.raises(UserError, match=message):
            download_file(url, tmp_path / "a.tar.gz", SHA256)
        assert list(tmp_path.iterdir()) == []
        download_file(url, tmp_path / "a.tar.gz", SHA256)
    assert_complete(tmp_path)


def test_an_endless_body_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_BYTES", 400_000)
    endless = answer("200 OK", body=CONTENT * 100)
    with (
        serve(Behaviour(CONTENT, faults=[endless])) as url,
        pytest.raises(UserError, match="SHA-256 is"),
    ):
        download_file(url, tmp_path / "a.tar.gz", SHA256)
    assert list(tmp_path.iterdir()) == []


def test_control_characters_from_the_server_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    escapes = "\x1b]0;owned\x07"
    rubbish = Answer(escapes.encode() * 5_000)
    faults = [answer(f"503 {escapes}"), answer(escapes), rubbish, answer(f"404 {escapes}")]
    with serve(Behaviour(CONTENT, faults=[*faults])) as url, pytest.raises(UserError) as error:
        download_file(url, tmp_path / "a.tar.gz", SHA256)
    output = capsys.readouterr().err + str(error.value)
    assert "\x1b" not in output
    assert max(map(len, output.splitlines())) < 400


def test_https_requires_a_certificate_and_refuses_a_redirect_to_http(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certify(tmp_path / "certificate.pem")
    folder = tmp_path / "data"
    plain, secure = Behaviour(CONTENT), Behaviour(CONTENT)
    with serve(plain) as http_url, serve(secure, certificate) as url:
        with pytest.raises(UnreachableError, match="(?i)certificate verify failed"):
            download_file(url, folder / "a.tar.gz", SHA256)

        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        secure.faults.append(answer("302 Found", f"Location: {http_url}"))
        with pytest.raises(UserError, match="No connection adapters were found for 'http:"):
            download_file(url, folder / "a.tar.gz", SHA256)
        assert plain.requests == []
        assert not list(folder.iterdir())

        download_file(url, folder / "a.tar.gz", SHA256)
    assert_complete(folder)


@settings(max_examples=25)
@given(
    faults=st.lists(st.sampled_from(list(FAULTS)), max_size=4),
    partial=st.sampled_from([b"", FILE[:100], FILE[:-1], FILE, FILE + b"x", OTHER]),
    ranges=st.booleans(),
)
def test_the_file_is_complete_or_absent_after_any_sequence_of_faults(
    tmp_path_factory: pytest.TempPathFactory, faults: list[str], partial: bytes, ranges: bool
) -> None:
    behaviour = [FAULTS[name] for name in faults]
    assert download(behaviour, partial, ranges, tmp_path_factory.mktemp("data")) == ""
