"""Archives that are not what they say: the download stage must refuse them and touch nothing."""

import gzip
import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.imdb.made_up import PER_CLASS, files, pack

Extra = Callable[[tarfile.TarFile], None]
REVIEW = "aclImdb/train/pos/99_9.txt"


def member(name: str, data: bytes = b"x", kind: bytes = tarfile.REGTYPE, link: str = "") -> Extra:
    """One more member of an archive."""

    def add(archive: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.type, info.linkname = len(data), kind, link
        archive.addfile(info, io.BytesIO(data))

    return add


def sparse(archive: tarfile.TarFile) -> None:
    """A file of a million zeros that takes no place in the archive."""
    info = tarfile.TarInfo(REVIEW)
    info.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": "1000000"}
    archive.addfile(info)


EXTRA: dict[str, Extra] = {
    "a name with ../": member("aclImdb/../../evil.txt"),
    "an absolute name": member("/tmp/evil.txt"),  # noqa: S108  it must not come to be
    "a link": member(REVIEW, b"", tarfile.SYMTYPE, "/etc/passwd"),
    "a hard link": member(REVIEW, b"", tarfile.LNKTYPE, "aclImdb/train/pos/0_9.txt"),
    "a device": member("aclImdb/null", b"", tarfile.CHRTYPE),
    "a pipe": member("aclImdb/pipe", b"", tarfile.FIFOTYPE),
    "a sparse file": sparse,
    "a name twice": member("aclImdb/train/pos/0_9.txt", b"again"),
    "a number twice": member("aclImdb/train/pos/0_8.txt"),
    "a review too many": member(REVIEW, b"one too many"),
    "an empty review": member(REVIEW, b" \n"),
    "a review that is not UTF-8": member(REVIEW, b"\xff\xfe"),
    "a review of megabytes": member(REVIEW, b"x" * (2 << 20)),
    "a folder there is none of": member("aclImdb/test/unsup/0_0.txt"),
}


def bomb(path: Path, info: tarfile.TarInfo) -> Path:
    """A small gzip file whose first member has zeros for content, as many as it says."""
    zeros = gzip.compress(bytes(1 << 20), mtime=0)
    header = gzip.compress(info.tobuf(tarfile.USTAR_FORMAT), mtime=0)
    path.write_bytes(header + zeros * (info.size // (1 << 20) + 1))  # gzip files may be joined
    return path


def one_review_short(path: Path) -> Path:
    """The size of the real archive, but for one review: 12,499 in a folder."""
    content = files(12_500, review=lambda good, generator: "a film")
    del content["aclImdb/train/pos/7_9.txt"]
    return pack(content, path)


def hostile(folder: Path) -> Iterator[tuple[str, Path, int]]:
    """What is wrong with an archive, the archive, and how many reviews a class it should have."""
    for name, extra in EXTRA.items():
        yield name, pack(files(), folder / "archive.tar.gz", extra), PER_CLASS
    for kind in (tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
        info = tarfile.TarInfo("aclImdb/imdb.vocab")
        info.type, info.size = kind, 5 << 30
        yield f"a bomb of 5 GiB ({kind.decode()})", bomb(folder / "archive.tar.gz", info), PER_CLASS
    whole = pack(files(), folder / "archive.tar.gz").read_bytes()
    for share in (0.0, 0.1, 0.5, 0.9):
        (folder / "archive.tar.gz").write_bytes(whole[: int(share * len(whole))])
        yield f"cut off at {share:.0%}", folder / "archive.tar.gz", PER_CLASS
    yield "12,499 reviews", one_review_short(folder / "archive.tar.gz"), 12_500
