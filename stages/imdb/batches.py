"""Batches: reviews of similar length side by side, so that little of a batch is padding."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from stages.imdb.models import PAD, UNKNOWN
from stages.imdb.reviews import Ids, Indices

POOL = 32  # batches whose reviews are sorted together: similar lengths, and still at random


def pad(reviews: Sequence[Ids]) -> tuple[Tensor, Tensor]:
    """Set reviews side by side, padded to the longest.

    A review without a word becomes one unknown word, so that every network can rate it.

    Returns:
        ids, int32 [batch × review_len], and lengths, int64 [batch], at least 1.
    """
    reviews = [ids if len(ids) else np.array([UNKNOWN], np.int32) for ids in reviews]
    lengths = np.array([len(ids) for ids in reviews], dtype=np.int64)
    padded = np.full((len(reviews), lengths.max()), PAD, dtype=np.int32)
    padded[np.arange(lengths.max()) < lengths[:, None]] = np.concatenate(reviews)
    return torch.from_numpy(padded), torch.from_numpy(lengths)


def shuffled(lengths: Indices, batch: int, generator: np.random.Generator) -> list[Indices]:
    """Group all reviews into batches of similar length, anew at random for each epoch.

    Reviews are shuffled, sorted by length within pools of POOL batches, cut into batches, and the
    batches shuffled.

    Args:
        lengths: int64 [reviews].
        batch: reviews in a batch; the last may have fewer.

    Returns:
        The batches: arrays of places in `lengths`, each place in exactly one.
    """
    order = generator.permutation(len(lengths))
    pools = [order[i : i + POOL * batch] for i in range(0, len(order), POOL * batch)]
    order = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
    batches = [order[i : i + batch] for i in range(0, len(order), batch)]
    return [batches[i] for i in generator.permutation(len(batches))]


def in_order_of_length(lengths: Indices, tokens: int) -> Iterator[Indices]:
    """Group all reviews, from short to long, into batches of at most `tokens` padded tokens.

    For rating: the least padding there can be. A review of more than `tokens` words is a batch of
    its own.
    """
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and (stop + 1 - start) * lengths[order[stop]] <= tokens:
            stop += 1
        yield order[start:stop]
        start = stop
