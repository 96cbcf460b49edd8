"""Read the Large Movie Review Dataset directly from its tar archive, which is not trusted.

The archive (Maas et al., "Learning Word Vectors for Sentiment Analysis", ACL 2011) holds one file
per review, `aclImdb/<split>/<class>/<number>_<stars>.txt`. Line <number>, from 0, of
`aclImdb/<split>/urls_<class>.txt` names the movie.
"""

import gzip
import hashlib
import re
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from stages.common.errors import UserError
from stages.common.progress import progress

REVIEW = re.compile(r"aclImdb/((?:train|test)/(?:neg|pos|unsup))/([0-9]{1,7})_([0-9]{1,2})\.txt")
MOVIE_URLS = re.compile(r"aclImdb/(train|test)/urls_(neg|pos|unsup)\.txt")
MOVIE_ID = re.compile(r"tt[0-9]+")

# Folders of reviews; each has `reviews_per_class` times this number of reviews.
FOLDERS = {"test/neg": 1, "test/pos": 1, "train/neg": 1, "train/pos": 1, "train/unsup": 4}
LABELS = {"neg": 0, "pos": 1, "unsup": -1}

MAX_REVIEW_BYTES = 1 << 20  # the longest review of the data set has less than 2**14
MAX_FILE_BYTES = 1 << 27  # the largest other file of the data set has 42 million
MAX_MEMBERS = 200_000
MAX_UNPACKED_BYTES = 1 << 30  # the data set has a fifth of that


def read_archive(path: Path, reviews_per_class: int) -> pd.DataFrame:
    """Read every review of a `.tar.gz` in the official layout.

    This function protects the machine and checks the number of reviews. `reviews_sha256` of the
    result shows whether they are the reviews of the data set.

    Args:
        path: Path of the archive.
        reviews_per_class: Number of positive, and of negative, reviews in each split.

    Returns:
        A table sorted by id, with the columns id ("train/pos/0"), split ("train", "test" or
        "unlabelled"), group (the movie, "tt0453418"), stars (1 to 10; 0 if unlabelled), label (1
        positive, 0 negative, -1 unlabelled) and text.

    Raises:
        UserError: If the archive is damaged, unsafe, or has another number of reviews.
    """
    reviews: list[tuple[str, int, int, str]] = []
    movies: dict[str, list[str]] = {}
    try:
        for name, content in _iter_files(path):
            text = content.decode("utf-8")
            if match := REVIEW.fullmatch(name):
                folder, number, stars = match.groups()
                reviews.append((folder, int(number), int(stars), text))
            elif match := MOVIE_URLS.fullmatch(name):
                ids = (MOVIE_ID.search(line) for line in text.splitlines())
                movies["/".join(match.groups())] = [found.group() if found else "" for found in ids]
    # tarfile raises ValueError and RecursionError for some malformed headers.
    except (
        tarfile.TarError, EOFError, zlib.error, OSError, ValueError, RecursionError,
    ) as error:  # fmt: skip
        if isinstance(error, OSError) and error.filename is not None:
            raise  # the file cannot be opened
        raise UserError(
            f"{path}: damaged or truncated ({error}); remove it and run again"
        ) from None

    counts = Counter(folder for folder, *_ in reviews)
    for folder in sorted({*FOLDERS, *counts}):
        expected = reviews_per_class * FOLDERS.get(folder, 0)
        if counts[folder] != expected:
            raise UserError(
                f"{path}: aclImdb/{folder} has {counts[folder]:,} reviews, not {expected:,};"
                " the archive is incomplete or not the data set"
            )
    return _to_table(reviews, movies)


def _to_table(
    reviews: list[tuple[str, int, int, str]], movies: dict[str, list[str]]
) -> pd.DataFrame:
    rows = []
    for folder, number, stars, text in sorted(reviews):
        split, class_name = folder.split("/")
        urls = movies.get(folder, [])
        rows.append(
            {
                "id": f"{folder}/{number}",
                "split": "unlabelled" if class_name == "unsup" else split,
                "group": urls[number] if number < len(urls) else "",
                "stars": stars,
                "label": LABELS[class_name],
                "text": text,
            }
        )
    return pd.DataFrame.from_records(rows)


def reviews_sha256(reviews: pd.DataFrame) -> str:
    """Return the SHA-256 of a table of reviews; it does not depend on how they were packed."""
    sha = hashlib.sha256()
    columns = (reviews[name] for name in ("id", "group", "stars", "text"))
    for review_id, group, stars, text in zip(*columns, strict=True):
        sha.update(f"{review_id}\0{group}\0{stars}\0{text}\0".encode())
    return sha.hexdigest()


class _BoundedGzip(gzip.GzipFile):
    """A gzip file that refuses to unpack more than MAX_UNPACKED_BYTES, as a bomb would."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > MAX_UNPACKED_BYTES:
            raise UserError(
                f"{self.name}: unpacks to more than {MAX_UNPACKED_BYTES:,} bytes; not the data set"
            )
        return super().read(size)


def _iter_files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the reviews and lists of movies, in the archive's order."""
    # "r|" reads forward only, and nothing is unpacked to the disk.
    with _BoundedGzip(path) as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as archive:
        members = progress(archive, 100_020, "reading the archive", "files")
        for count, member in enumerate(members, start=1):
            name = member.name
            if count > MAX_MEMBERS:
                raise UserError(f"{path}: more than {MAX_MEMBERS:,} members; not the data set")
            if name.startswith("/") or ".." in name.split("/"):
                raise UserError(f"{path}: member {name!r} points outside; do not use this archive")
            if not (member.isfile() or member.isdir()) or member.issparse():
                raise UserError(
                    f"{path}: member {name!r} is a link, device or sparse file; not the data set"
                )
            is_review = REVIEW.fullmatch(name) is not None
            if member.size > (MAX_REVIEW_BYTES if is_review else MAX_FILE_BYTES):
                raise UserError(
                    f"{path}: member {name!r} unpacks to {member.size:,} bytes; not the data set"
                )
            if member.isfile() and (is_review or MOVIE_URLS.fullmatch(name)):
                file = archive.extractfile(member)
                assert file is not None  # noqa: S101  it is a regular file
                yield name, file.read()
