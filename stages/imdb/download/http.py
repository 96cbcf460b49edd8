"""Download one large file; a broken connection resumes where it broke."""

import time
from collections.abc import Iterator
from pathlib import Path

import requests
import urllib3

from stages.common.errors import UserError
from stages.common.files import file_sha256
from stages.common.progress import log, progress

CHUNK_BYTES = 1 << 18
MAX_BYTES = 1 << 30  # the official archive has 84 million
TIMEOUT = (10, 30)  # seconds to connect, and between two chunks
BACKOFF = (1, 2, 4)  # seconds before each retry
MAX_MESSAGE_CHARS = 200  # of an error, which may quote what the server sent


class UnreachableError(UserError):
    """The server could not be reached, or every transfer broke off."""


class _BrokenTransferError(Exception):
    pass


def download_file(url: str, path: Path, sha256: str) -> None:
    """Download `url` to `path` and verify its SHA-256.

    The bytes are collected in `<path>.part`, where the next attempt or the next run resumes. `path`
    itself appears only once the checksum is right.

    Args:
        url: Address of the file.
        path: Where to store it.
        sha256: Expected SHA-256, in hexadecimal.

    Raises:
        UnreachableError: If the network or the server fails at every attempt.
        UserError: If the server refuses, or the file is not the expected one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    # An earlier run may have left the bytes of another file: if so, start over once.
    for _ in range(2 if partial.exists() else 1):
        _fetch_with_retries(url, partial)
        found = file_sha256(partial)
        if found == sha256:
            partial.replace(path)
            return
        partial.unlink()
    raise UserError(
        f"{url}: the file's SHA-256 is {found}, not {sha256}; the download was deleted."
        " Run again; if the error persists, the file has changed on the server or on the way"
    )


def _fetch_with_retries(url: str, partial: Path) -> None:
    """Transfer until the file is complete; give up after BACKOFF if no new bytes arrive."""
    delays = iter(BACKOFF)
    max_size = _size(partial)
    while True:
        try:
            return _transfer(url, partial, offset=_size(partial))
        except (requests.ConnectionError, requests.Timeout, _BrokenTransferError) as error:
            if _size(partial) > max_size:
                max_size, delays = _size(partial), iter(BACKOFF)
            delay = next(delays, None)
            if delay is None:
                raise UnreachableError(
                    f"{url}: {_reason(error)}; {_size(partial):,} bytes are kept for the next run."
                    " Check the network, or name a copy of the archive in IMDB_ARCHIVE"
                ) from None
            log(f"download: {_reason(error)}; retrying in {delay} s")
            time.sleep(delay)
        except (requests.RequestException, ValueError) as error:  # e.g. an invalid address
            raise UserError(f"{url}: {error}; correct imdb.archive.url in params.yaml") from None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _transfer(url: str, partial: Path, offset: int) -> None:
    headers = {"Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    with (
        _session(url) as session,
        session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response,
    ):
        status = response.status_code
        if status == 416 and offset:  # no bytes after `offset`: complete, or another file
            return
        if status >= 500 or status == 429:
            raise _BrokenTransferError(f"the server answers {status}")
        if status not in (200, 206):
            raise UserError(f"{url}: the server answers {status}")
        content_range = response.headers.get("Content-Range", "")
        resumed = status == 206 and content_range.startswith(f"bytes {offset}-")
        if not resumed:
            offset = 0
        remaining = response.raw.length_remaining  # None if the server does not send a length
        total = None if remaining is None else offset + remaining
        if total is not None and total > MAX_BYTES:
            raise UserError(f"{url}: the server announces {total:,} bytes; not the data set")
        with partial.open("ab" if resumed else "wb") as file:
            try:
                for chunk in progress(
                    _iter_chunks(response), total or 0, "download", "B", offset, size=len
                ):
                    file.write(chunk)
            except urllib3.exceptions.HTTPError as error:
                raise _BrokenTransferError(_reason(error)) from None
        received = _size(partial)
        if total is not None and received < total:
            raise _BrokenTransferError(f"the connection closed at {received:,} of {total:,} bytes")


def _iter_chunks(response: requests.Response) -> Iterator[bytes]:
    """Yield the body as it arrives, at most MAX_BYTES: the checksum refuses a truncated file.

    `read1` returns the bytes that have arrived, so that a broken connection loses none of them.
    """
    remaining = MAX_BYTES
    while remaining > 0 and (chunk := response.raw.read1(CHUNK_BYTES)):
        yield chunk
        remaining -= len(chunk)


def _session(url: str) -> requests.Session:
    session = requests.Session()
    if url.startswith("https:"):
        del session.adapters["http://"]  # refuse a redirect from HTTPS to HTTP
    return session


def _reason(error: Exception) -> str:
    """Return the innermost cause of a network error, without the libraries' layers around it."""
    if isinstance(error, requests.ConnectTimeout):
        return f"no connection within {TIMEOUT[0]} s"
    if isinstance(error, (requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError)):
        return f"the server sent nothing for {TIMEOUT[1]} s"
    cause = getattr(error.args[0] if error.args else error, "reason", error)
    text = str(cause.args[0] if isinstance(cause, urllib3.exceptions.ProtocolError) else cause)
    return text.split("): ")[-1][:MAX_MESSAGE_CHARS]
