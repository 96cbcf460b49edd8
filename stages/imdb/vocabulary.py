"""Stage: choose the words that the networks know; every other word becomes one unknown word."""

import argparse
from pathlib import Path

import numpy as np

from stages.common import params
from stages.common.errors import StageError, run
from stages.common.files import write_json
from stages.common.progress import say
from stages.imdb.params import Imdb
from stages.imdb.reviews import Ids, Reviews, load, save

PAD, UNKNOWN = 0, 1
SPECIAL = ["<pad>", "<unk>"]  # not words that the tokenizer makes: it leaves no angle brackets


def restrict(tokens: Reviews, size: int, min_count: int) -> Reviews:
    """Keep the most frequent words of the training and unlabelled reviews; never of the test ones.

    Words of the same count are ranked alphabetically, so that the choice does not depend on the
    order of the reviews.

    Args:
        tokens: reviews over all distinct words.
        size: words to keep at most, <pad> and <unk> among them.
        min_count: how often a word must occur to be kept.

    Returns:
        The same reviews over the vocabulary: id 0 is <pad>, 1 is <unk>, then by falling count.
    """
    counts = np.bincount(_tokens(tokens, "train", "unlabelled"), minlength=len(tokens.words))
    ranked = sorted(
        np.flatnonzero(counts >= min_count), key=lambda i: (-counts[i], tokens.words[i])
    )
    kept = ranked[: size - len(SPECIAL)]
    if not kept:
        raise StageError(f"no word occurs imdb.vocabulary.min_count = {min_count} times; lower it")
    new_ids = np.full(len(tokens.words), UNKNOWN, dtype=np.int32)
    new_ids[kept] = np.arange(len(SPECIAL), len(SPECIAL) + len(kept))
    words = SPECIAL + [tokens.words[i] for i in kept]
    return Reviews(words, new_ids[tokens.ids], tokens.offsets, tokens.index, tokens.data)


def unknown_rate(reviews: Reviews, split: str) -> float:
    """The share of a split's tokens that the vocabulary does not hold."""
    return float(np.mean(_tokens(reviews, split) == UNKNOWN))


def _tokens(reviews: Reviews, *splits: str) -> Ids:
    """All tokens of some splits, end to end."""
    chosen = reviews.index["split"].isin(splits).to_numpy()
    return reviews.ids[np.repeat(chosen, reviews.lengths)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--tokens", type=Path, required=True)
    parser.add_argument("--vocabulary", type=Path, required=True)
    parser.add_argument("--metrics", type=Path, required=True)
    args = parser.parse_args()
    settings = params.load(args.params, "imdb", Imdb).vocabulary

    reviews = restrict(load(args.tokens), settings.size, settings.min_count)
    save(reviews, args.vocabulary)
    rates = {split: unknown_rate(reviews, split) for split in ("train", "test")}
    write_json(args.metrics, {"vocabulary": {"words": len(reviews.words), "unknown": rates}})
    say(f"vocabulary: {len(reviews.words):,} words; unknown in test: {rates['test']:.2%}")


if __name__ == "__main__":
    run(main)
