"""Read the Large Movie Review Dataset straight from its tar archive; trust nothing in it.

The archive (Maas et al., "Learning Word Vectors for Sentiment Analysis", ACL 2011) holds one
review a file, `aclImdb/<split>/<class>/<number>_<stars>.txt`, and one line a review in
`aclImdb/<split>/urls_<class>.txt`, which names the film that review <number> is about.
"""

import gzip
import hashlib
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from stages.common.errors import StageError
from stages.common.progress import progress

REVIEW = re.compile(r"aclImdb/(train|test)/(pos|neg|unsup)/([0-9]{1,7})_([0-9]{1,2})\.txt")
FILMS = re.compile(r"aclImdb/(train|test)/urls_(pos|neg|unsup)\.txt")
FILM = re.compile(r"tt[0-9]+")
FOLDERS = [("train", "neg"), ("train", "pos"), ("train", "unsup"), ("test", "neg"), ("test", "pos")]
LABELS = {"neg": 0, "pos": 1, "unsup": -1}

MAX_REVIEW = 1 << 20  # bytes; the longest real one is under 2**14
MAX_OTHER = 1 << 27  # bytes; the official bag-of-words file has 42 million
MAX_MEMBERS = 200_000
MAX_UNPACKED = 1 << 30  # bytes; the reviews are a fifth of that


def read_archive(path: Path, reviews_per_class: int) -> pd.DataFrame:
    """Read every review of a `.tar.gz` in the official layout.

    Returns:
        A table sorted by id: id ("train/pos/0"), split (train, test or unlabelled), film
        ("tt0453418"), stars (1 to 10; 0 for unlabelled), label (1 good, 0 bad, -1 unlabelled)
        and text.

    Raises:
        StageError: naming the member, when the archive is damaged, incomplete or not what it says.
    """
    rows: dict[str, tuple[str, str, int, int, str]] = {}
    films: dict[tuple[str, str], list[str]] = {}
    try:
        for name, content in _files(path):
            if match := REVIEW.fullmatch(name):
                split, folder, number, stars = match.groups()
                key = f"{split}/{folder}/{int(number)}"
                if key in rows:
                    raise StageError(f"{path}: {name}: a second review with the number {number}")
                rows[key] = (split, folder, int(number), int(stars), _text(path, name, content))
            elif match := FILMS.fullmatch(name):
                films[match.group(1), match.group(2)] = [
                    found.group() if (found := FILM.search(line)) else ""
                    for line in _text(path, name, content).splitlines()
                ]
    # ValueError and RecursionError: tarfile lets them through, of headers that make no sense.
    except (
        tarfile.TarError, EOFError, zlib.error, OSError, ValueError, RecursionError,
    ) as error:  # fmt: skip
        if isinstance(error, OSError) and error.filename is not None:
            raise StageError(f"{path}: {error.strerror}") from None
        raise StageError(
            f"{path}: damaged or cut short ({error}); remove it and fetch it again"
        ) from None
    _check_counts(path, rows, reviews_per_class)
    return _table(path, rows, films)


def digest(reviews: pd.DataFrame) -> str:
    """The SHA-256 over the sorted reviews: the same whatever the bytes of the archive."""
    sha = hashlib.sha256()
    for key, film, stars, text in zip(
        reviews["id"], reviews["film"], reviews["stars"], reviews["text"], strict=True
    ):
        sha.update(f"{key}\0{film}\0{stars}\0{text}\0".encode())
    return sha.hexdigest()


class _Unpacked(gzip.GzipFile):
    """What a gzip file holds, but no more than MAX_UNPACKED bytes of it: it may be a bomb."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > MAX_UNPACKED:
            raise StageError(f"{self.name}: unpacks to more than {MAX_UNPACKED:,} bytes; a bomb")
        return super().read(size)


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of the files we want, in the archive's order, reading it once."""
    # "r|" reads forward only: nothing is unpacked on the disk, whatever names the members have.
    with _Unpacked(path) as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as archive:
        names = set()
        members = progress(archive, 100_020, "reading the archive", "files")
        for count, member in enumerate(members, start=1):
            name = member.name
            if count > MAX_MEMBERS:
                raise StageError(f"{path}: more than {MAX_MEMBERS:,} members; not the data set")
            if name.startswith("/") or ".." in name.split("/"):
                raise StageError(f"{path}: member {name!r} points outside; do not use this archive")
            if not (member.isfile() or member.isdir()) or member.issparse():
                raise StageError(
                    f"{path}: member {name!r} is a link, device or sparse file; not the data set"
                )
            wanted = REVIEW.fullmatch(name) or FILMS.fullmatch(name)
            limit = MAX_REVIEW if REVIEW.fullmatch(name) else MAX_OTHER
            if member.size > limit:
                raise StageError(f"{path}: member {name!r} unpacks to {member.size:,} bytes")
            if not member.isfile() or not wanted:
                continue
            if name in names:
                raise StageError(f"{path}: member {name!r} occurs twice")
            names.add(name)
            file = archive.extractfile(member)
            assert file is not None  # noqa: S101  it is a regular file
            yield name, file.read()


def _text(path: Path, name: str, content: bytes) -> str:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise StageError(
            f"{path}: {name}: not UTF-8 ({error.reason} at byte {error.start})"
        ) from None
    if not text.strip():
        raise StageError(f"{path}: {name}: empty")
    return text


def _check_counts(
    path: Path, rows: dict[str, tuple[str, str, int, int, str]], reviews_per_class: int
) -> None:
    counts = dict.fromkeys(FOLDERS, 0)
    for split, folder, *_ in rows.values():
        if (split, folder) not in counts:
            raise StageError(f"{path}: unexpected folder aclImdb/{split}/{folder}")
        counts[split, folder] += 1
    for (split, folder), count in counts.items():
        expected = reviews_per_class * (4 if folder == "unsup" else 1)
        if count != expected:
            raise StageError(
                f"{path}: aclImdb/{split}/{folder} has {count:,} reviews, not {expected:,};"
                " the archive is incomplete or not the data set"
            )


def _table(
    path: Path,
    rows: dict[str, tuple[str, str, int, int, str]],
    films: dict[tuple[str, str], list[str]],
) -> pd.DataFrame:
    for split, folder in FOLDERS:
        if (split, folder) not in films:
            raise StageError(f"{path}: aclImdb/{split}/urls_{folder}.txt is missing")
    order = sorted(rows, key=lambda key: rows[key][:3])
    records = []
    for key in order:
        split, folder, number, stars, text = rows[key]
        if number >= len(films[split, folder]):
            raise StageError(f"{path}: {key} has no line in aclImdb/{split}/urls_{folder}.txt")
        records.append(
            {
                "id": key,
                "split": "unlabelled" if folder == "unsup" else split,
                "film": films[split, folder][number],
                "stars": stars,
                "label": LABELS[folder],
                "text": text,
            }
        )
    return pd.DataFrame.from_records(records)
