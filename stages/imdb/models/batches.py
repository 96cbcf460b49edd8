"""Batches of reviews of similar length, so that little of a batch is padding."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from stages.imdb.corpus.corpus import PAD, UNK, Ids, Indices

BUCKET_BATCHES = 32  # batches whose reviews are sorted together: similar lengths, random order


def collate(reviews: Sequence[Ids]) -> tuple[Tensor, Tensor]:
    """Pad reviews to the length of the longest one.

    A review without a word becomes one unknown word, so that every network can classify it.

    Args:
        reviews: Word ids of each review, int32 [review_len].

    Returns:
        ids, int32 [batch × review_len], and lengths, int64 [batch], at least 1.
    """
    reviews = [ids if len(ids) else np.array([UNK], np.int32) for ids in reviews]
    lengths = np.array([len(ids) for ids in reviews], dtype=np.int64)
    padded = np.full((len(reviews), lengths.max()), PAD, dtype=np.int32)
    padded[np.arange(lengths.max()) < lengths[:, None]] = np.concatenate(reviews)
    return torch.from_numpy(padded), torch.from_numpy(lengths)


def bucketed_batches(lengths: Indices, batch_size: int, rng: np.random.Generator) -> list[Indices]:
    """Draw the batches of one epoch at random, each of reviews of similar length.

    Shuffle the reviews, sort them by length within buckets of BUCKET_BATCHES batches, split them
    into batches, and shuffle the batches.

    Args:
        lengths: Length of each review, int64 [reviews].
        batch_size: Reviews per batch; the last batch may have fewer.
        rng: Random generator.

    Returns:
        The batches, arrays of indices into `lengths`. Each index is in exactly one batch.
    """
    order = rng.permutation(len(lengths))
    size = BUCKET_BATCHES * batch_size
    buckets = [order[i : i + size] for i in range(0, len(order), size)]
    order = np.concatenate([b[np.argsort(lengths[b], kind="stable")] for b in buckets])
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def length_sorted_batches(lengths: Indices, max_tokens: int) -> Iterator[Indices]:
    """Group reviews, from short to long, into batches of at most `max_tokens` padded tokens.

    This order needs the least padding. It is for prediction. A review of more than `max_tokens`
    words is a batch by itself.

    Args:
        lengths: Length of each review, int64 [reviews].
        max_tokens: Maximum number of reviews times the length of the longest.

    Yields:
        Arrays of indices into `lengths`.
    """
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and (stop + 1 - start) * lengths[order[stop]] <= max_tokens:
            stop += 1
        yield order[start:stop]
        start = stop


def random_crop(ids: Ids, max_length: int, rng: np.random.Generator) -> Ids:
    """Return at most `max_length` consecutive words of a review, from a random position."""
    start = rng.integers(max(0, len(ids) - max_length) + 1)
    return ids[start : start + max_length]


def drop_words(ids: Ids, fraction: float, rng: np.random.Generator) -> Ids:
    """Return a review without a random fraction of its words, so that no word is relied on."""
    return ids[rng.random(len(ids)) >= fraction] if fraction else ids
