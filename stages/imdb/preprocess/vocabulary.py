"""Stage: choose the vocabulary of the networks; every other word becomes <unk>."""

import argparse
import shutil
from pathlib import Path

import numpy as np

from stages.common.errors import UserError, run_main
from stages.common.files import atomic_write, write_json
from stages.common.params import load_params
from stages.common.progress import log
from stages.imdb.corpus.corpus import (
    SPECIAL_TOKENS,
    UNK,
    Corpus,
    Ids,
    load_corpus,
    write_ids,
    write_vocab,
)
from stages.imdb.corpus.params import Imdb


def build_vocab(tokens: Corpus, size: int, min_count: int) -> tuple[list[str], Ids]:
    """Choose the most frequent words of the training and unlabelled reviews, never of the test.

    Words of the same count are ranked alphabetically, so that the choice does not depend on the
    order of the reviews.

    Args:
        tokens: Reviews over all distinct words.
        size: Maximum size of the vocabulary, including <pad> and <unk>.
        min_count: Minimum number of occurrences of a word.

    Returns:
        The vocabulary (<pad>, <unk>, then words by descending count), and the new id of each
        distinct word, int32 [distinct words].

    Raises:
        UserError: If no word is frequent enough.
    """
    counts = tokens.word_counts(tokens.split_indices("train", "unlabelled"))
    ranked = sorted(
        np.flatnonzero(counts >= min_count), key=lambda i: (-counts[i], tokens.vocab[i])
    )
    kept = ranked[: size - len(SPECIAL_TOKENS)]
    if not kept:
        raise UserError(f"no word occurs imdb.vocabulary.min_count = {min_count} times; lower it")
    new_ids = np.full(len(tokens.vocab), UNK, dtype=np.int32)
    new_ids[kept] = np.arange(len(SPECIAL_TOKENS), len(SPECIAL_TOKENS) + len(kept))
    return SPECIAL_TOKENS + [tokens.vocab[i] for i in kept], new_ids


def apply_vocab(source: Path, folder: Path, size: int, min_count: int) -> Corpus:
    """Write a corpus again, over the vocabulary that `build_vocab` chooses.

    Returns:
        The corpus in `folder`.
    """
    tokens = load_corpus(source)
    vocab, new_ids = build_vocab(tokens, size, min_count)
    with atomic_write(folder) as temporary:
        temporary.mkdir()
        write_vocab(vocab, temporary)
        write_ids((new_ids[ids] for _, ids in tokens.iter_blocks()), temporary)
        for name in ("offsets.npy", "metadata.parquet"):  # these do not depend on the vocabulary
            shutil.copyfile(source / name, temporary / name)
    return load_corpus(folder)


def oov_rate(corpus: Corpus, split: str) -> float:
    """Return the fraction of a split's tokens that are out of vocabulary."""
    counts = corpus.word_counts(corpus.split_indices(split))
    return float(counts[UNK] / counts.sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--tokens", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--metrics", type=Path, required=True)
    args = parser.parse_args()
    params = load_params(args.params, "imdb", Imdb).vocabulary

    corpus = apply_vocab(args.tokens, args.corpus, params.size, params.min_count)
    rates = {split: oov_rate(corpus, split) for split in ("train", "test")}
    write_json(args.metrics, {"vocabulary": {"size": len(corpus.vocab), "oov_rate": rates}})
    log(f"vocabulary: {len(corpus.vocab):,} words; out of vocabulary in test: {rates['test']:.2%}")


if __name__ == "__main__":
    run_main(main)
