"""Stage: choose the words that the networks know; every other word becomes one unknown word."""

import argparse
import shutil
from pathlib import Path

import numpy as np

from stages.common import params
from stages.common.errors import StageError, run
from stages.common.files import atomic, write_json
from stages.common.progress import say
from stages.imdb.params import Imdb
from stages.imdb.reviews import Ids, Reviews, load, write_ids, write_words

PAD, UNKNOWN = 0, 1
SPECIAL = ["<pad>", "<unk>"]  # not words that the tokenizer makes: it leaves no angle brackets


def choose(tokens: Reviews, size: int, min_count: int) -> tuple[list[str], Ids]:
    """The most frequent words of the training and unlabelled reviews; never of the test ones.

    Words of the same count are ranked alphabetically, so that the choice does not depend on the
    order of the reviews.

    Args:
        tokens: reviews over all distinct words.
        size: words to keep at most, <pad> and <unk> among them.
        min_count: how often a word must occur to be kept.

    Returns:
        The vocabulary: id 0 is <pad>, 1 is <unk>, then by falling count. And the new id of each of
        the distinct words, int32 [distinct words].

    Raises:
        StageError: when no word is kept.
    """
    counts = tokens.counts(tokens.where("train", "unlabelled"))
    ranked = sorted(
        np.flatnonzero(counts >= min_count), key=lambda i: (-counts[i], tokens.words[i])
    )
    kept = ranked[: size - len(SPECIAL)]
    if not kept:
        raise StageError(f"no word occurs imdb.vocabulary.min_count = {min_count} times; lower it")
    new_ids = np.full(len(tokens.words), UNKNOWN, dtype=np.int32)
    new_ids[kept] = np.arange(len(SPECIAL), len(SPECIAL) + len(kept))
    return SPECIAL + [tokens.words[i] for i in kept], new_ids


def restrict(source: Path, folder: Path, size: int, min_count: int) -> Reviews:
    """Write a folder of reviews anew, over a vocabulary; `size` and `min_count` as in `choose`.

    Returns:
        The reviews in the new folder.
    """
    tokens = load(source)
    words, new_ids = choose(tokens, size, min_count)
    with atomic(folder) as temporary:
        temporary.mkdir()
        write_words(words, temporary)
        write_ids((new_ids[ids] for _, ids in tokens.blocks()), temporary)
        for name in ("offsets.npy", "index.parquet"):  # where a review begins stays as it is
            shutil.copyfile(source / name, temporary / name)
    return load(folder)


def unknown_rate(reviews: Reviews, split: str) -> float:
    """The share of a split's tokens that the vocabulary does not hold."""
    counts = reviews.counts(reviews.where(split))
    return float(counts[UNKNOWN] / counts.sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--tokens", type=Path, required=True)
    parser.add_argument("--vocabulary", type=Path, required=True)
    parser.add_argument("--metrics", type=Path, required=True)
    args = parser.parse_args()
    settings = params.load(args.params, "imdb", Imdb).vocabulary

    reviews = restrict(args.tokens, args.vocabulary, settings.size, settings.min_count)
    rates = {split: unknown_rate(reviews, split) for split in ("train", "test")}
    write_json(args.metrics, {"vocabulary": {"words": len(reviews.words), "unknown": rates}})
    say(f"vocabulary: {len(reviews.words):,} words; unknown in test: {rates['test']:.2%}")


if __name__ == "__main__":
    run(main)
