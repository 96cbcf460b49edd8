"""The reader of the official archive reads its layout and refuses everything else."""

import tarfile
from pathlib import Path

import pytest

from stages.common.errors import UserError
from stages.imdb.download import aclimdb
from stages.imdb.download.aclimdb import read_archive, reviews_sha256
from tests.imdb.hostile_archives import EXTRA, bomb
from tests.imdb.made_up import PER_CLASS, files, pack

POSITIVE_REVIEW = "aclImdb/train/pos/0_9.txt"


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
        ("an empty review", "aclImdb/train/pos has 41 reviews, not 40"),
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
    with pytest.raises(UserError, match="more than 16,777,216 bytes"):
        read_archive(path, PER_CLASS)


def test_an_archive_with_too_many_members_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aclimdb, "MAX_MEMBERS", 100)
    with pytest.raises(UserError, match="more than 100 members"):
        read_archive(pack(files(), tmp_path / "a.tar.gz"), PER_CLASS)
