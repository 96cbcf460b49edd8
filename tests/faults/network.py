"""Download from a server that does its worst: the file comes whole, or not at all."""

import contextlib
import hashlib
import random
from pathlib import Path
from unittest import mock

from stages.common.errors import StageError
from stages.imdb import fetch as module
from tests.imdb.server import Answer, Behaviour, serve

FILE = random.Random(1).randbytes(200_000)  # noqa: S311  nothing secret
OTHER = random.Random(2).randbytes(150_000)  # noqa: S311
SHA256 = hashlib.sha256(FILE).hexdigest()
Fault = int | str | bytes | Answer


def answer(status: str, *headers: str, body: bytes = b"") -> Answer:
    """An answer with these headers and no others."""
    lines = [f"HTTP/1.1 {status}", *headers, "", ""]
    return Answer("\r\n".join(lines).encode("latin-1") + body)


FAULTS: dict[str, Fault] = {
    "cut off at once": 0,
    "cut off": 70_000,
    "cut off before the end": len(FILE) - 1,
    "stalls": "stall",
    "another file": OTHER,
    "a page in its place": b"<html>Please log in</html>",
    "403": "403",
    "404": "404",
    "500": "500",
    "503": "503",
    "too short a length": answer("200 OK", "Content-Length: 500", body=FILE),
    "too long a length": answer("200 OK", "Content-Length: 300000", body=FILE),
    "no length, cut off": answer("200 OK", body=FILE[:500]),
    "a length that is none": answer("200 OK", "Content-Length: \xb2", body=FILE),
    "an absurd length": answer("200 OK", f"Content-Length: {10**15}", body=FILE),
    "another range": answer("206 P", "Content-Range: bytes 9-199999/200000", body=FILE[9:]),
    "a redirect to nowhere": answer("302 Found", "Location: http://[::1"),
    "a redirect to a file": answer("302 Found", "Location: file:///etc/passwd"),
    "rubbish": Answer(b"\x1b]0;owned\x07" * 100),
    "nothing": Answer(b""),
}


def download(faults: list[Fault], part: bytes, ranges: bool, folder: Path) -> str:
    """Download again and again while the server is at fault, and once more when it is not.

    Args:
        faults: what the server does, an answer each.
        part: what an earlier run has left.
        ranges: whether the server knows of them.
        folder: an empty one.

    Returns:
        What went wrong; "" if nothing did.
    """
    path = folder / "file"
    if part:
        (folder / "file.part").write_bytes(part)
    patient = mock.patch.multiple(module, PAUSES=(0, 0), TIMEOUT=(5, 0.5))
    with serve(Behaviour(FILE, ranges=ranges, faults=[*faults])) as url, patient:
        for _ in range(len(faults) + 1):
            with contextlib.suppress(StageError):
                module.fetch(url, path, SHA256)
            if path.exists():
                whole = path.read_bytes() == FILE and list(folder.iterdir()) == [path]
                return "" if whole else "another file was taken for it"
    return "it never came"
