"""Hostile archives, which must be refused."""

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

Extra = Callable[[tarfile.TarFile], None]
REVIEW = "aclImdb/train/pos/99_9.txt"


def member(name: str, data: bytes = b"x", kind: bytes = tarfile.REGTYPE, link: str = "") -> Extra:
    """Return a function that adds one more member to an archive."""

    def add(archive: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.type, info.linkname = len(data), kind, link
        archive.addfile(info, io.BytesIO(data))

    return add


def sparse(archive: tarfile.TarFile) -> None:
    """Add a file of a million zeros that takes no space in the archive."""
    info = tarfile.TarInfo(REVIEW)
    info.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": "1000000"}
    archive.addfile(info)


EXTRA: dict[str, Extra] = {
    "a name with ../": member("aclImdb/../../evil.txt"),
    "an absolute name": member("/tmp/evil.txt"),  # noqa: S108  must not be created
    "a link": member(REVIEW, b"", tarfile.SYMTYPE, "/etc/passwd"),
    "a hard link": member(REVIEW, b"", tarfile.LNKTYPE, "aclImdb/train/pos/0_9.txt"),
    "a device": member("aclImdb/null", b"", tarfile.CHRTYPE),
    "a pipe": member("aclImdb/pipe", b"", tarfile.FIFOTYPE),
    "a sparse file": sparse,
    "a duplicate name": member("aclImdb/train/pos/0_9.txt", b"again"),
    "a duplicate number": member("aclImdb/train/pos/0_8.txt"),
    "one review too many": member(REVIEW, b"one too many"),
    "an empty review": member(REVIEW, b" \n"),
    "a review that is not UTF-8": member(REVIEW, b"\xff\xfe"),
    "a review of megabytes": member(REVIEW, b"x" * (2 << 20)),
    "an unknown folder": member("aclImdb/test/unsup/0_0.txt"),
}


def bomb(path: Path, info: tarfile.TarInfo) -> Path:
    """Write a small gzip file whose first member expands to `info.size` zeros."""
    zeros = gzip.compress(bytes(1 << 20), mtime=0)
    header = gzip.compress(info.tobuf(tarfile.USTAR_FORMAT), mtime=0)
    path.write_bytes(header + zeros * (info.size // (1 << 20) + 1))  # gzip files can be joined
    return path
