"""Batches: every review once, little padding, crops and dropped words."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.imdb.corpus.corpus import PAD, UNK
from stages.imdb.models.batches import (
    bucketed_batches,
    collate,
    drop_words,
    length_sorted_batches,
    random_crop,
)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=200), st.integers(1, 40))
def test_every_review_is_in_exactly_one_batch(lengths: list[int], batch_size: int) -> None:
    all_lengths = np.array(lengths)
    bucketed = bucketed_batches(all_lengths, batch_size, np.random.default_rng(0))
    assert sorted(np.concatenate(bucketed)) == list(range(len(lengths)))
    assert all(len(batch) <= batch_size for batch in bucketed)
    batches = list(length_sorted_batches(all_lengths, 256))
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert all(len(b) == 1 or len(b) * all_lengths[b].max() <= 256 for b in batches)


@given(st.lists(st.lists(st.integers(1, 9)), min_size=1, max_size=9))
def test_collate_pads_at_the_end(reviews: list[list[int]]) -> None:
    ids, lengths = collate([np.array(review, np.int32) for review in reviews])
    for row, length, review in zip(ids, lengths, reviews, strict=True):
        assert row[:length].tolist() == (review or [UNK])
        assert (row[length:] == PAD).all()


@given(st.lists(st.integers(1, 49), min_size=1, max_size=40), st.integers(1, 50),
       st.floats(0, 0.9))  # fmt: skip
def test_a_crop_is_a_piece_of_the_review(
    review: list[int], max_length: int, fraction: float
) -> None:
    rng = np.random.default_rng(0)
    ids = np.array(review, np.int32)
    piece = list(random_crop(ids, max_length, rng))
    assert len(piece) == min(max_length, len(review))
    assert any(review[i : i + len(piece)] == piece for i in range(len(review)))
    kept = drop_words(ids, fraction, rng)
    assert set(kept) <= set(review)
    assert fraction or len(kept) == len(review)


def test_about_the_given_fraction_of_the_words_is_dropped() -> None:
    kept = drop_words(np.arange(10_000, dtype=np.int32), 0.3, np.random.default_rng(0))
    assert 0.68 < len(kept) / 10_000 < 0.72
