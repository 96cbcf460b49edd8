"""Download one large file so that a broken connection costs seconds, not the whole transfer."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import requests
import urllib3

from stages.common.errors import StageError
from stages.common.progress import progress, say

CHUNK = 1 << 18  # bytes
LARGEST = 1 << 30  # bytes; the official archive has 84 million
TIMEOUT = (10, 30)  # seconds to connect, and between two chunks
PAUSES = (1, 2, 4)  # seconds before each further attempt
WORDS = 200  # characters at most that are told of a problem: it may quote what the server sent


class UnreachableError(StageError):
    """The server could not be reached, or did not hold the line, after every attempt."""


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(url: str, path: Path, digest: str) -> None:
    """Download `url` to `path` and verify its SHA-256.

    The bytes collect in `<path>.part`, where the next attempt, or the next run, carries on. `path`
    itself appears only once the checksum is right.

    Raises:
        UnreachableError: when the network or the server fails at every attempt.
        StageError: when the server refuses, or what it sends is not the expected file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    # The bytes of an earlier run may be of another file: if so, start over once.
    for _ in range(2 if part.exists() else 1):
        _fetch_with_retries(url, part)
        found = sha256(part)
        if found == digest:
            part.replace(path)
            return
        part.unlink()
    raise StageError(
        f"{url}: the file's SHA-256 is {found}, not {digest}; nothing of it was kept."
        " Run again; if it persists, the server's file has changed or is altered on the way"
    )


def _fetch_with_retries(url: str, part: Path) -> None:
    """Transfer until all is there; give up when PAUSES end without a byte more than ever before."""
    pauses = iter(PAUSES)
    best = _size(part)
    while True:
        try:
            return _transfer(url, part, _size(part))
        except (requests.ConnectionError, requests.Timeout, _BrokenTransferError) as error:
            if _size(part) > best:
                best, pauses = _size(part), iter(PAUSES)
            pause = next(pauses, None)
            if pause is None:
                raise UnreachableError(
                    f"{url}: {_reason(error)}; {_size(part):,} bytes are kept for the next run."
                    " Check the network, or name a copy of the archive in IMDB_ARCHIVE"
                ) from None
            say(f"download: {_reason(error)}; trying again in {pause} s")
            time.sleep(pause)
        except (requests.RequestException, ValueError) as error:  # of an address that is none
            raise StageError(f"{url}: {error}; correct imdb.archive.url in params.yaml") from None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


class _BrokenTransferError(Exception):
    pass


def _transfer(url: str, part: Path, have: int) -> None:
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with (
        _session(url) as session,
        session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response,
    ):
        status = response.status_code
        if status == 416 and have:  # nothing beyond what we have: whole already, or of another file
            return
        if status >= 500 or status == 429:
            raise _BrokenTransferError(f"the server answers {status}")
        if status not in (200, 206):
            raise StageError(f"{url}: the server answers {status}")
        resumed = status == 206 and response.headers.get("Content-Range", "").startswith(
            f"bytes {have}-"
        )
        have = have if resumed else 0
        length = response.raw.length_remaining  # None where the server does not tell
        total = None if length is None else have + length
        if total is not None and total > LARGEST:
            raise StageError(f"{url}: {total:,} bytes, the server says; that is not the data set")
        with part.open("ab" if resumed else "wb") as file:
            try:
                for chunk in progress(_chunks(response), total or 0, "download", "B", have, len):
                    file.write(chunk)
            except urllib3.exceptions.HTTPError as error:
                raise _BrokenTransferError(_reason(error)) from None
        got = part.stat().st_size
        if total is not None and got < total:
            raise _BrokenTransferError(f"the connection closed at {got:,} of {total:,} bytes")


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """The body as it comes in: `read1` gives what is there, so that a break loses nothing of it.

    A body without end is cut off at LARGEST; the checksum then refuses it.
    """
    left = LARGEST
    while left > 0 and (chunk := response.raw.read1(CHUNK)):
        yield chunk
        left -= len(chunk)


def _session(url: str) -> requests.Session:
    session = requests.Session()
    if url.startswith("https:"):
        del session.adapters["http://"]  # no redirect leads out of HTTPS
    return session


def _reason(error: Exception) -> str:
    """The innermost cause, in a few words, without the layers of libraries around it."""
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return f"the server sent nothing for {TIMEOUT[1]} s"
    cause = getattr(error.args[0] if error.args else error, "reason", error)
    text = str(cause.args[0] if isinstance(cause, urllib3.exceptions.ProtocolError) else cause)
    return text.split("): ")[-1][:WORDS]
