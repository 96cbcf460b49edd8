"""The reader of the official archive reads its layout and refuses everything else."""

import gzip
import os
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.common.errors import UserError
from stages.imdb.download import aclimdb
from stages.imdb.download.aclimdb import read_archive, reviews_sha256
from tests.faults.archives import EXTRA, bomb
from tests.imdb.made_up import PER_CLASS, files, pack

POSITIVE_REVIEW = "aclImdb/train/pos/0_9.txt"

_changes: list[str] | None = None


def _audit(event: str, args: tuple[object, ...]) -> None:
    if _changes is None:
        return
    if event == "open" and isinstance(args[2], int):
        if args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            _changes.append(str(args[0]))
    elif event.partition(".")[0] in ("os", "shutil", "tempfile"):
        _changes.append(f"{event} {args}")


sys.addaudithook(_audit)


@contextmanager
def nothing_written() -> Iterator[None]:
    """Fail if Python opens a file for writing or changes anything on the disk."""
    global _changes
    _changes = []
    try:
        yield
        assert not _changes
    finally:
        _changes = None


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


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("a name with ../", "points outside"),
        ("an absolute name", "points outside"),
        ("a link", "link, device or sparse"),
        ("a hard link", "link, device or sparse"),
        ("a device", "link, device or sparse"),
        ("a pipe", "link, device or sparse"),
        ("a sparse file", "link, device or sparse"),
        ("a duplicate name", "aclImdb/train/pos has 41 reviews, not 40"),
        ("a duplicate number", "aclImdb/train/pos has 41 reviews, not 40"),
        ("one review too many", "aclImdb/train/pos has 41 reviews, not 40"),
        ("an unknown folder", "aclImdb/test/unsup has 1 reviews, not 0"),
        ("a review that is not UTF-8", "damaged or truncated .*'utf-8' codec"),
        ("a review of megabytes", "unpacks to 2,097,152 bytes"),
    ],
)
def test_members_that_the_data_set_does_not_have_are_refused(
    tmp_path: Path, extra: str, message: str
) -> None:
    path = pack(files(), tmp_path / "a.tar.gz", EXTRA[extra])
    with nothing_written(), pytest.raises(UserError, match=message):
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


def test_an_archive_with_a_changed_byte_is_refused(tmp_path: Path) -> None:
    path = pack(files(), tmp_path / "a.tar.gz")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
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
    with nothing_written(), pytest.raises(UserError, match="more than 16,777,216 bytes"):
        read_archive(path, PER_CLASS)


def test_an_archive_with_too_many_members_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aclimdb, "MAX_MEMBERS", 100)
    with pytest.raises(UserError, match="more than 100 members"):
        read_archive(pack(files(), tmp_path / "a.tar.gz"), PER_CLASS)


def test_an_endless_chain_of_long_names_is_refused(tmp_path: Path) -> None:
    member = tarfile.TarInfo("name of the next member")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 1
    unit = member.tobuf() + b"x".ljust(512, b"\0")
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(unit * 5_000))
    with pytest.raises(UserError, match="damaged"):
        read_archive(tmp_path / "a.tar.gz", PER_CLASS)


def with_checksum(header: bytearray) -> bytes:
    """Return the header of a member with the right checksum."""
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


HEADER_FIELDS = [0, 100, 108, 116, 124, 125, 135, 136, 156, 157, 257, 263, 345, 386, 482, 483]


@given(
    st.integers(0, 30),
    st.lists(
        st.tuples(st.sampled_from(HEADER_FIELDS), st.binary(min_size=1, max_size=12)), max_size=4
    ),
    st.sampled_from([None, b"x", b"g", b"L", b"K", b"S"]),
    st.binary(max_size=64) | st.sampled_from([b"30 GNU.sparse.size=not-a-size\n", b"-9 a=b\n"]),
)
def test_a_damaged_header_is_read_or_refused_but_never_crashes(
    tmp_path_factory: pytest.TempPathFactory,
    position: int,
    damage: list[tuple[int, bytes]],
    kind: bytes | None,
    attributes: bytes,
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    data = bytearray(gzip.decompress(pack(files(2), folder / "a.tar.gz").read_bytes()))
    header = data[1_024 * position : 1_024 * position + 512]
    for start, change in damage:
        header[start : start + len(change)] = change[: 512 - start]
    data[1_024 * position : 1_024 * position + 512] = with_checksum(header)
    if kind:
        member = tarfile.TarInfo("attributes")
        member.type, member.size = kind, len(attributes)
        data[:0] = member.tobuf(tarfile.USTAR_FORMAT) + attributes.ljust(512, b"\0")
    path = folder / "a.tar.gz"
    path.write_bytes(gzip.compress(data, compresslevel=1))
    with nothing_written(), suppress(UserError):
        assert len(read_archive(path, 2)) == 16
