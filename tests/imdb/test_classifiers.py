"""The two networks: padding, shapes, bigrams."""

from typing import TypeVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from stages.imdb.corpus.corpus import PAD
from stages.imdb.models.batches import collate
from stages.imdb.models.classifiers import (
    LSTMClassifier,
    MeanEmbeddingClassifier,
    Network,
    bigram_buckets,
    logits_to_probs,
)
from stages.imdb.training.objective import cross_entropy

VOCAB_SIZE = 50
NetworkT = TypeVar("NetworkT", bound=nn.Module)
REVIEW = st.lists(st.integers(1, VOCAB_SIZE - 1), min_size=1, max_size=40)


def random_bigrams(network: NetworkT) -> NetworkT:
    """Give the bigram embeddings, which start at zero, random weights."""
    nn.init.normal_(network.get_parameter("bigrams.weight")[1:], std=0.1)
    return network


def make_networks() -> list[Network]:
    torch.manual_seed(0)
    return [
        MeanEmbeddingClassifier(VOCAB_SIZE, 6).eval(),
        random_bigrams(MeanEmbeddingClassifier(VOCAB_SIZE, 6, num_buckets=31)).eval(),
        LSTMClassifier(VOCAB_SIZE, 6, hidden_size=5).eval(),
        MeanEmbeddingClassifier(VOCAB_SIZE, 6, num_classes=3).eval(),
        LSTMClassifier(VOCAB_SIZE, 6, hidden_size=5, num_classes=3).eval(),
        random_bigrams(LSTMClassifier(VOCAB_SIZE, 6, hidden_size=5, num_buckets=31)).eval(),
    ]


NETWORKS = make_networks()


def array(ids: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array(ids, dtype=np.int32)


@pytest.mark.parametrize("network", NETWORKS)
@given(st.lists(REVIEW, min_size=1, max_size=8))
@settings(max_examples=25, deadline=None)
def test_padding_does_not_change_the_logits(network: Network, reviews: list[list[int]]) -> None:
    arrays = [array(review) for review in reviews]
    with torch.inference_mode():
        batch = network(*collate(arrays))
        single = torch.cat([network(*collate([review])) for review in arrays])
    assert batch.shape == ((len(reviews), 3) if network.num_classes == 3 else (len(reviews),))
    # bfloat16, which some processors use, keeps 8 bits of a state.
    torch.testing.assert_close(batch, single, atol=2e-3, rtol=1e-2)


def test_one_logit_for_two_classes_equals_two_logits_of_which_the_first_is_zero() -> None:
    logits = torch.tensor([-3.0, 0.5, 7.0])
    both = torch.stack([torch.zeros(3), logits], dim=1)
    torch.testing.assert_close(logits_to_probs(logits), logits_to_probs(both))
    targets = torch.tensor([[1.0, 0.0], [0.3, 0.7], [0.0, 1.0]])
    torch.testing.assert_close(cross_entropy(logits, targets), cross_entropy(both, targets))


def test_the_mean_is_the_mean_of_the_embeddings() -> None:
    network = NETWORKS[0]
    weight = network.embedding.weight
    expected = weight[torch.tensor([3, 4, 4])].mean(0) @ network.output.weight[0]
    logits = network(*collate([array([3, 4, 4]), array([1, 2, 3, 4, 5])])) - network.output.bias
    torch.testing.assert_close(logits[0], expected)


def test_bigrams_count_like_words_in_the_mean() -> None:
    network = random_bigrams(MeanEmbeddingClassifier(VOCAB_SIZE, 6, num_buckets=31))
    assert network.bigrams is not None
    ids = torch.tensor([[3, 4, 4]])
    [buckets] = bigram_buckets(ids, 31)
    rows = torch.cat([network.embedding.weight[ids[0]], network.bigrams.weight[buckets]])
    assert rows.shape == (5, 6)
    torch.testing.assert_close(network(ids, torch.tensor([3])), network.output(rows.mean(0)))


def test_the_lstm_adds_the_embedding_of_a_bigram_to_that_of_its_second_word() -> None:
    network = random_bigrams(LSTMClassifier(VOCAB_SIZE, 6, 5, num_buckets=31))
    assert network.bigrams is not None
    ids = torch.tensor([[3, 4, 4, 3, 4, PAD]])
    [buckets] = bigram_buckets(ids, 31).tolist()
    assert buckets[0] == buckets[3], "the bigram 3, 4"
    assert buckets[4] == 0, "a bigram with padding"
    assert 0 < min(buckets[:4]) <= max(buckets[:4]) <= 31
    words = network.embedding(ids)[0]
    expected = words[1:] + network.bigrams.weight[buckets]
    torch.testing.assert_close(network.embed(ids)[0, 1:], expected)
    assert torch.equal(network.embed(ids)[0, 0], words[0])
    assert torch.equal(network.embed(ids)[0, 5], torch.zeros(6))


@pytest.mark.parametrize("num_buckets", [48_271, 65_536, 500_000, 965_420, 2_000_000])
def test_bigrams_of_frequent_words_share_buckets_only_by_chance(num_buckets: int) -> None:
    first, second = torch.meshgrid(torch.arange(2, 302), torch.arange(2, 302), indexing="ij")
    words = torch.stack([first.flatten(), second.flatten()], dim=1)
    used = len(bigram_buckets(words, num_buckets).unique())
    expected = num_buckets * -np.expm1(len(words) * np.log1p(-1 / num_buckets))
    assert 0.97 * expected < used < 1.03 * expected
