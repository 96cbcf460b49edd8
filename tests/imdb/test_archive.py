"""The archive's reader: the official layout is read, everything else refused."""

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

from stages.common.errors import StageError
from stages.imdb import archive
from stages.imdb.archive import digest, read_archive
from tests.faults.archives import EXTRA, bomb
from tests.imdb.made_up import PER_CLASS, files, pack

GOOD_REVIEW = "aclImdb/train/pos/0_9.txt"


_opened: list[str] | None = None


def _note(event: str, args: tuple[object, ...]) -> None:
    if _opened is not None and event == "open" and isinstance(args[2], int):
        if args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            _opened.append(str(args[0]))
    elif _opened is not None and event.partition(".")[0] in ("os", "shutil", "tempfile"):
        _opened.append(f"{event} {args}")


sys.addaudithook(_note)


@contextmanager
def nothing_written() -> Iterator[None]:
    """Fail if Python opens any file for writing, or changes anything on the disk."""
    global _opened
    _opened = []
    try:
        yield
        assert not _opened
    finally:
        _opened = None


def test_reads_every_review_with_its_film_stars_and_label(tmp_path: Path) -> None:
    content = files()
    table = read_archive(pack(content, tmp_path / "a.tar.gz"), PER_CLASS)

    assert table["split"].value_counts().to_dict() == {
        "unlabelled": 4 * PER_CLASS,
        "train": 2 * PER_CLASS,
        "test": 2 * PER_CLASS,
    }
    row = table.set_index("id").loc["train/pos/9"]
    assert row["text"] == content["aclImdb/train/pos/9_9.txt"].decode()
    assert (row["film"], row["stars"], row["label"]) == ("tt0000002", 9, 1)
    unlabelled = table[table["split"] == "unlabelled"]
    assert set(unlabelled["label"]) == {-1}
    assert set(unlabelled["stars"]) == {0}


def test_order_and_packing_do_not_change_the_digest(tmp_path: Path) -> None:
    content = files()
    backwards = dict(reversed(content.items()))
    one = read_archive(pack(content, tmp_path / "a.tar.gz"), PER_CLASS)
    two = read_archive(pack(backwards, tmp_path / "b.tar.gz"), PER_CLASS)
    assert digest(one) == digest(two)
    content[GOOD_REVIEW] += b"!"
    three = read_archive(pack(content, tmp_path / "c.tar.gz"), PER_CLASS)
    assert digest(one) != digest(three)


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
        ("a name twice", "occurs twice"),
        ("a number twice", "a second review with the number 0"),
        ("a review that is not UTF-8", "99_9.txt: not UTF-8"),
        ("an empty review", "99_9.txt: empty"),
        ("a review of megabytes", "unpacks to 2,097,152 bytes"),
        ("a review too many", "has 41 reviews, not 40"),
        ("a folder there is none of", "unexpected folder aclImdb/test/unsup"),
    ],
)
def test_refuses_what_the_data_set_does_not_hold(tmp_path: Path, extra: str, message: str) -> None:
    path = pack(files(), tmp_path / "a.tar.gz", EXTRA[extra])
    with nothing_written(), pytest.raises(StageError, match=message):
        read_archive(path, PER_CLASS)


def test_refuses_an_archive_that_is_a_review_short(tmp_path: Path) -> None:
    content = files()
    del content[GOOD_REVIEW]
    with pytest.raises(StageError, match="aclImdb/train/pos has 39 reviews, not 40"):
        read_archive(pack(content, tmp_path / "a.tar.gz"), PER_CLASS)


def test_refuses_a_class_that_is_missing(tmp_path: Path) -> None:
    content = {name: data for name, data in files().items() if "train/neg/" not in name}
    with pytest.raises(StageError, match="aclImdb/train/neg has 0 reviews, not 40"):
        read_archive(pack(content, tmp_path / "a.tar.gz"), PER_CLASS)


def test_refuses_an_archive_without_its_list_of_films(tmp_path: Path) -> None:
    content = files()
    del content["aclImdb/test/urls_pos.txt"]
    with pytest.raises(StageError, match=r"test/urls_pos\.txt is missing"):
        read_archive(pack(content, tmp_path / "a.tar.gz"), PER_CLASS)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_refuses_an_archive_that_is_cut_short(tmp_path: Path, share: float) -> None:
    path = pack(files(), tmp_path / "a.tar.gz")
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(StageError, match="damaged or cut short|incomplete"):
        read_archive(path, PER_CLASS)


def test_refuses_an_archive_with_a_changed_byte(tmp_path: Path) -> None:
    path = pack(files(), tmp_path / "a.tar.gz")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(StageError, match=r"a\.tar\.gz"):
        read_archive(path, PER_CLASS)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (tarfile.REGTYPE, "aclImdb/train/labeledBow.feat"),
        (tarfile.XHDTYPE, "attributes of the next member"),
        (tarfile.GNUTYPE_LONGNAME, "name of the next member"),
    ],
)
def test_refuses_a_bomb_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: bytes, name: str
) -> None:
    monkeypatch.setattr(archive, "MAX_UNPACKED", 1 << 24)
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, 1 << 26
    path = bomb(tmp_path / "a.tar.gz", member)
    assert path.stat().st_size < 1 << 17
    with nothing_written(), pytest.raises(StageError, match="more than 16,777,216 bytes; a bomb"):
        read_archive(path, PER_CLASS)


def test_refuses_names_that_go_on_without_end(tmp_path: Path) -> None:
    member = tarfile.TarInfo("name of the next member")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 1
    unit = member.tobuf() + b"x".ljust(512, b"\0")
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(unit * 5_000))
    with pytest.raises(StageError, match="damaged"):
        read_archive(tmp_path / "a.tar.gz", PER_CLASS)


def signed(header: bytearray) -> bytes:
    """The header of a member with the checksum that belongs to it."""
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
def test_a_damaged_archive_is_read_or_refused_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory,
    place: int,
    damage: list[tuple[int, bytes]],
    kind: bytes | None,
    attributes: bytes,
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    data = bytearray(gzip.decompress(pack(files(2), folder / "a.tar.gz").read_bytes()))
    header = data[1_024 * place : 1_024 * place + 512]
    for start, change in damage:
        header[start : start + len(change)] = change[: 512 - start]
    data[1_024 * place : 1_024 * place + 512] = signed(header)
    if kind:
        member = tarfile.TarInfo("attributes")
        member.type, member.size = kind, len(attributes)
        data[:0] = member.tobuf(tarfile.USTAR_FORMAT) + attributes.ljust(512, b"\0")
    path = folder / "a.tar.gz"
    path.write_bytes(gzip.compress(data, compresslevel=1))
    with nothing_written(), suppress(StageError):
        assert len(read_archive(path, 2)) == 16
