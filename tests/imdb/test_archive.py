"""The archive's reader: the official layout is read, everything else refused."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.common.errors import StageError
from stages.imdb import archive
from stages.imdb.archive import digest, read_archive
from tests.imdb.made_up import PER_CLASS, files, pack

GOOD_REVIEW = "aclImdb/train/pos/0_9.txt"


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


def link(archive: tarfile.TarFile) -> None:
    member = tarfile.TarInfo("aclImdb/train/pos/link.txt")
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    archive.addfile(member)


def device(archive: tarfile.TarFile) -> None:
    member = tarfile.TarInfo("aclImdb/null")
    member.type = tarfile.CHRTYPE
    archive.addfile(member)


def named(name: str, data: bytes = b"x") -> Callable[[tarfile.TarFile], None]:
    def add(archive: tarfile.TarFile) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))

    return add


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (named("aclImdb/../../evil.txt"), "points outside"),
        (named("/evil.txt"), "points outside"),
        (link, "link, device or sparse"),
        (device, "link, device or sparse"),
        (named(GOOD_REVIEW, b"again"), "occurs twice"),
        (named("aclImdb/train/pos/0_8.txt"), "a second review with the number 0"),
        (named("aclImdb/train/pos/99_9.txt", b"\xff\xfe"), "99_9.txt: not UTF-8"),
        (named("aclImdb/train/pos/99_9.txt", b" \n"), "99_9.txt: empty"),
        (named("aclImdb/train/pos/99_9.txt", b"one too many"), "has 41 reviews, not 40"),
        (named("aclImdb/test/unsup/0_0.txt"), "unexpected folder aclImdb/test/unsup"),
    ],
)
def test_refuses_what_the_data_set_does_not_hold(
    tmp_path: Path, extra: Callable[[tarfile.TarFile], None], message: str
) -> None:
    path = pack(files(), tmp_path / "a.tar.gz", extra)
    with pytest.raises(StageError, match=message):
        read_archive(path, PER_CLASS)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar.gz"]


def test_refuses_a_member_that_unpacks_to_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_REVIEW", 1_000)
    path = pack(files(), tmp_path / "a.tar.gz", named("aclImdb/train/pos/99_9.txt", b"x" * 1_001))
    with pytest.raises(StageError, match="unpacks to 1,001 bytes"):
        read_archive(path, PER_CLASS)


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
