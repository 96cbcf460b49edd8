"""The reader of the official archive reads its layout and refuses everything else."""

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.common.errors import UserError
from stages.imdb.download import aclimdb
from stages.imdb.download.aclimdb import read_archive, reviews_sha256
from tests.imdb.made_up import PER_CLASS, files, pack

POSITIVE_REVIEW = "aclImdb/train/pos/0_9.txt"
REVIEW = "aclImdb/train/pos/99_9.txt"
Extra = Callable[[tarfile.TarFile], None]


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


EXTRA: dict[str, tuple[Extra, str]] = {
    "a name with ../": (member("aclImdb/../../evil.txt"), "points outside"),
    "an absolute name": (member("/tmp/evil.txt"), "points outside"),  # noqa: S108
    "a link": (member(REVIEW, b"", tarfile.SYMTYPE, "/etc/passwd"), "link, device or sparse"),
    "a sparse file": (sparse, "link, device or sparse"),
    "one review too many": (member(REVIEW), "aclImdb/train/pos has 41 reviews, not 40"),
    "an unknown folder": (member("aclImdb/test/unsup/0_0.txt"), "test/unsup has 1 reviews, not 0"),
    "not UTF-8": (member(REVIEW, b"\xff\xfe"), "damaged or truncated .*'utf-8' codec"),
    "megabytes": (member(REVIEW, b"x" * (2 << 20)), "unpacks to 2,097,152 bytes"),
}


def bomb(path: Path, info: tarfile.TarInfo) -> Path:
    """Write a small gzip file whose first member expands to `info.size` zeros."""
    zeros = gzip.compress(bytes(1 << 20), mtime=0)
    header = gzip.compress(info.tobuf(tarfile.USTAR_FORMAT), mtime=0)
    path.write_bytes(header + zeros * (info.size // (1 << 20) + 1))  # gzip files can be joined
    return path


def test_every_review_is_read_with_its_movie_stars_and_label(tmp_path: Path) -> None:
    content = files()
    table = read_archive(pack(content, tmp_path / "a.tar.gz"), PER_CLASS)

    assert table["split"].value_counts().to_dict() == {
        "unlabelled": 4 * PER_CLASS,
        "train": 2 * PER_CLASS,
        "test": 2 * PER_CLASS,
    }
    row = table.set_index("id").loc["train/pos/9"]
    assert row["text"] == content["aclImdb/train/pos/9_9.txt"].decode()
    assert (row["group"], row["stars"], row["label"]) == ("tt0000002", 9, 1)
    unlabelled = table[table["split"] == "unlabelled"]
    assert set(unlabelled["label"]) == {-1}
    assert set(unlabelled["stars"]) == {0}


def test_the_digest_depends_on_the_reviews_but_not_on_their_order_in_the_archive(
    tmp_path: Path,
) -> None:
    def sha256(content: dict[str, bytes]) -> str:
        return reviews_sha256(read_archive(pack(content, tmp_path / "a.tar.gz"), PER_CLASS))

    content = files()
    expected = sha256(content)
    assert sha256(dict(reversed(content.items()))) == expected
    assert sha256(content | {POSITIVE_REVIEW: b"another text"}) != expected
    assert sha256(content | {"aclImdb/test/urls_pos.txt": b"tt0000001\n" * PER_CLASS}) != expected
    del content["aclImdb/test/urls_pos.txt"]
    assert sha256(content) != expected


@pytest.mark.parametrize(("extra", "message"), EXTRA.values(), ids=EXTRA)
def test_members_that_the_data_set_does_not_have_are_refused(
    tmp_path: Path, extra: Extra, message: str
) -> None:
    path = pack(files(), tmp_path / "a.tar.gz", extra)
    with pytest.raises(UserError, match=message):
        read_archive(path, PER_CLASS)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (POSITIVE_REVIEW, "aclImdb/train/pos has 39 reviews, not 40"),
        ("aclImdb/train/neg/", "aclImdb/train/neg has 0 reviews, not 40"),
        ("aclImdb/train/unsup/7_0", "aclImdb/train/unsup has 159 reviews, not 160"),
    ],
)
def test_missing_reviews_are_reported(tmp_path: Path, missing: str, message: str) -> None:
    content = {name: data for name, data in files().items() if not name.startswith(missing)}
    with pytest.raises(UserError, match=message):
        read_archive(pack(content, tmp_path / "a.tar.gz"), PER_CLASS)


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_archive_is_refused(tmp_path: Path, fraction: float) -> None:
    path = pack(files(), tmp_path / "a.tar.gz")
    data = path.read_bytes()
    path.write_bytes(data[: int(fraction * len(data))])
    with pytest.raises(UserError, match="damaged or truncated|incomplete"):
        read_archive(path, PER_CLASS)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (tarfile.REGTYPE, "aclImdb/train/labeledBow.feat"),
        (tarfile.XHDTYPE, "attributes of the next member"),
        (tarfile.GNUTYPE_LONGNAME, "name of the next member"),
    ],
)
def test_a_bomb_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: bytes, name: str
) -> None:
    monkeypatch.setattr(aclimdb, "MAX_UNPACKED_BYTES", 1 << 24)
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, 1 << 26
    path = bomb(tmp_path / "a.tar.gz", member)
    assert path.stat().st_size < 1 << 17
    with pytest.raises(UserError, match="more than 16,777,216 bytes"):
        read_archive(path, PER_CLASS)


def test_an_archive_with_too_many_members_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aclimdb, "MAX_MEMBERS", 100)
    with pytest.raises(UserError, match="more than 100 members"):
        read_archive(pack(files(), tmp_path / "a.tar.gz"), PER_CLASS)
