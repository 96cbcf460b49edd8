"""Faults of a server. The download must end with the right file, or with none."""

import contextlib
import hashlib
import random
from pathlib import Path
from unittest import mock

from stages.common.errors import UserError
from stages.imdb.download import http
from tests.imdb.server import Answer, Behaviour, serve

FILE = random.Random(1).randbytes(200_000)  # noqa: S311  not for cryptography
OTHER = random.Random(2).randbytes(150_000)  # noqa: S311
SHA256 = hashlib.sha256(FILE).hexdigest()
Fault = int | str | bytes | Answer


def answer(status: str, *headers: str, body: bytes = b"") -> Answer:
    """Return an answer with only these headers."""
    lines = [f"HTTP/1.1 {status}", *headers, "", ""]
    return Answer("\r\n".join(lines).encode("latin-1") + body)


FAULTS: dict[str, Fault] = {
    "closed at once": 0,
    "closed early": 70_000,
    "closed before the last byte": len(FILE) - 1,
    "stalled": "stall",
    "another file": OTHER,
    "a login page": b"<html>Please log in</html>",
    "403": "403",
    "404": "404",
    "500": "500",
    "503": "503",
    "a length too small": answer("200 OK", "Content-Length: 500", body=FILE),
    "a length too large": answer("200 OK", "Content-Length: 300000", body=FILE),
    "no length, closed early": answer("200 OK", body=FILE[:500]),
    "a length that is not ASCII": answer("200 OK", "Content-Length: \xb2", body=FILE),
    "an absurd length": answer("200 OK", f"Content-Length: {10**15}", body=FILE),
    "another range": answer("206 P", "Content-Range: bytes 9-199999/200000", body=FILE[9:]),
    "a redirect to an invalid URL": answer("302 Found", "Location: http://[::1"),
    "a redirect to a file": answer("302 Found", "Location: file:///etc/passwd"),
    "escape sequences": Answer(b"\x1b]0;owned\x07" * 100),
    "nothing": Answer(b""),
}


def download(faults: list[Fault], part: bytes, ranges: bool, folder: Path) -> str:
    """Download once per fault of the server, and once more without one.

    Args:
        faults: One for each answer of the server.
        part: What an earlier run has left.
        ranges: Whether the server supports range requests.
        folder: An empty folder.

    Returns:
        What went wrong, or "".
    """
    path = folder / "file"
    if part:
        (folder / "file.part").write_bytes(part)
    fast = mock.patch.multiple(http, BACKOFF=(0, 0), TIMEOUT=(5, 0.5))
    with serve(Behaviour(FILE, ranges=ranges, faults=[*faults])) as url, fast:
        for _ in range(len(faults) + 1):
            with contextlib.suppress(UserError):
                http.download_file(url, path, SHA256)
            if path.exists():
                right = path.read_bytes() == FILE and list(folder.iterdir()) == [path]
                return "" if right else "a wrong file was accepted"
    return "no file after the last attempt"
