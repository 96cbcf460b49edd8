"""Made-up reviews in the layout of the official archive: small and learnable."""

import gzip
import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

PER_CLASS = 40
GOOD = ["excellent", "superb", "touching", "funny", "loved"]
BAD = ["awful", "boring", "worst", "dull", "hated"]
OTHER = ["the", "film", "actor", "plot", "a", "of", "scene", "it", "was", "music", "story", "and"]


def review(good: bool, generator: np.random.Generator) -> str:
    """Return a text of 8 to 32 words, three of which depend on the class."""
    words = list(generator.choice(OTHER, size=generator.integers(5, 30)))
    words += list(generator.choice(GOOD if good else BAD, size=3))
    return " ".join(generator.permutation(words)) + ".<br />"


def files(
    per_class: int = PER_CLASS,
    seed: int = 0,
    review: Callable[[bool, np.random.Generator], str] = review,
) -> dict[str, bytes]:
    """Return the name and content of every file of an archive.

    Args:
        per_class: Number of positive, and of negative, reviews in each split.
        seed: Random seed of the texts.
        review: Function that returns a positive or negative text.
    """
    generator = np.random.default_rng(seed)
    content = {"aclImdb/README": b"made up"}
    for split, folder in [
        ("train", "neg"), ("train", "pos"), ("train", "unsup"), ("test", "neg"), ("test", "pos"),
    ]:  # fmt: skip
        count = per_class * (4 if folder == "unsup" else 1)
        for number in range(count):
            good = {"neg": False, "pos": True}.get(folder, number % 2 == 0)
            stars = 0 if folder == "unsup" else (9 if good else 2)
            name = f"aclImdb/{split}/{folder}/{number}_{stars}.txt"
            content[name] = review(good, generator).encode()
        urls = "".join(
            f"http://www.imdb.com/title/tt{split == 'test':d}{i // 4:06d}/usercomments\n"
            for i in range(count)
        )
        content[f"aclImdb/{split}/urls_{folder}.txt"] = urls.encode()
    return content


def pack(
    content: Mapping[str, bytes],
    path: Path,
    extra: Callable[[tarfile.TarFile], None] = lambda archive: None,
) -> Path:
    """Write a .tar.gz; `extra` may add further members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        extra(archive)
    path.write_bytes(gzip.compress(buffer.getvalue(), compresslevel=1, mtime=0))
    return path
