"""Attributions of predictions to words."""

from pathlib import Path

import numpy as np
import pytest
import torch

from stages.imdb.explain import attributions, ngram_attributions
from stages.imdb.linear.serialization import load_linear
from stages.imdb.models.batches import collate
from stages.imdb.models.classifiers import LSTMClassifier, MeanEmbeddingClassifier, Network
from tests.imdb.test_classifiers import random_bigrams
from tests.imdb.untrained import save_small_linear

IDS = np.array([3, 9, 9, 14, 2], np.int32)


def networks() -> dict[str, Network]:
    torch.manual_seed(0)
    return {
        "mean": MeanEmbeddingClassifier(50, 6),
        "mean with bigrams": random_bigrams(MeanEmbeddingClassifier(50, 6, num_buckets=31)),
        "mean, three classes": MeanEmbeddingClassifier(50, 6, num_classes=3),
        "lstm": LSTMClassifier(50, 6, hidden_size=5),
        "lstm with bigrams": random_bigrams(LSTMClassifier(50, 6, 5, num_buckets=31)),
        "lstm, three classes": LSTMClassifier(50, 6, hidden_size=5, num_classes=3),
    }


@pytest.mark.parametrize("name", networks())
def test_attributions_and_bias_sum_to_the_logit(name: str) -> None:
    network = networks()[name].eval()
    with torch.inference_mode():
        logits = network(*collate([IDS])).flatten()
    for i, logit in enumerate(logits.tolist()):
        values, bias = attributions(network, IDS, i)
        assert values.shape == (5,)
        tolerance = 1e-5 if name.startswith("mean") else 2e-2
        assert values.sum() + bias == pytest.approx(logit, abs=tolerance)


def test_attributions_of_the_mean_are_its_summands() -> None:
    network = networks()["mean"]
    values, bias = attributions(network, IDS)
    with torch.inference_mode():
        expected = network.embedding(torch.tensor(IDS)) @ network.output.weight[0] / len(IDS)
    assert values == pytest.approx(expected.numpy(), abs=1e-6)
    assert bias == network.output.bias.item()


def test_a_bigram_is_attributed_to_both_of_its_words_in_the_mean() -> None:
    network = MeanEmbeddingClassifier(50, 6, num_buckets=31)
    ids = np.array([3, 4], np.int32)
    assert network.bigrams is not None
    [[_, bucket]] = network.bigrams.buckets(torch.tensor([[3, 4]]))
    before, _ = attributions(network, ids)
    with torch.no_grad():
        network.bigrams.weight[bucket] += 1
    after, _ = attributions(network, ids)
    added = network.output.weight.sum().item() / 3  # the mean is over 2 words and 1 bigram
    assert after - before == pytest.approx([added / 2, added / 2], abs=1e-6)


@pytest.mark.parametrize("num_classes", [2, 3])
def test_an_ngram_is_attributed_to_its_words_and_occurrences(
    tmp_path: Path, num_classes: int
) -> None:
    model = load_linear(save_small_linear(tmp_path, num_classes))
    tokens = ["a", "great", "film", "great", "unknown"]
    contributions, expected_bias = model.contributions(tokens, 1)
    assert {*contributions} == {"a", "great", "film", "a great", "great film"}
    values, bias = ngram_attributions(model, tokens, 1)
    assert bias == expected_bias
    assert values.sum() == pytest.approx(sum(contributions.values()), abs=1e-6)
    assert values[4] == 0
    assert values[3] == pytest.approx(contributions["great"] / 2)  # one of two occurrences
    assert values[0] == pytest.approx(contributions["a"] + contributions["a great"] / 2)
