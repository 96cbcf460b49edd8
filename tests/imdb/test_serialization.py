"""Trained networks on disk, and their predictions after loading."""

import re
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file
from torch import zeros

from stages.common.errors import UserError
from stages.imdb.models import inference, serialization
from stages.imdb.models.classifiers import LSTMClassifier, MeanEmbeddingClassifier, Network
from stages.imdb.pretraining.language_model import LanguageModel
from tests.imdb.test_classifiers import NETWORKS, VOCAB_SIZE, array
from tests.imdb.training_setup import same_weights


def make_config(network: Network) -> serialization.ModelConfig:
    kwargs = {"vocab_size": VOCAB_SIZE, "embedding_dim": 6}
    if isinstance(network, LSTMClassifier):
        kwargs["hidden_size"] = 5
        if network.bigrams is not None:
            kwargs["num_buckets"] = network.bigrams.num_embeddings - 1
    return serialization.ModelConfig(
        model="lstm" if isinstance(network, LSTMClassifier) else "mean",
        data_name="made up",
        classes=["bad", "good"],
        seeds=[3],
        kwargs=kwargs,
    )


def save_network(network: Network, folder: Path) -> Path:
    """Save a network, and return its folder."""
    vocab = [f"w{i}" for i in range(VOCAB_SIZE)]
    serialization.save_config(make_config(network), vocab, folder)
    serialization.save_weights(network, folder, "seed-3")
    return folder


@pytest.mark.parametrize("index", [0, 2, 5], ids=["mean", "lstm", "lstm with bigrams"])
def test_a_loaded_network_predicts_as_before(tmp_path: Path, index: int) -> None:
    original = NETWORKS[index]
    network, vocab = serialization.load_model(save_network(original, tmp_path))
    assert same_weights(network, original)
    reviews = [array([1, 2, 3]), array([]), array([7])]
    assert np.array_equal(
        inference.predict_proba(network, reviews), inference.predict_proba(original, reviews)
    )
    assert vocab == [f"w{i}" for i in range(VOCAB_SIZE)]


@pytest.mark.parametrize(
    "networks",
    [NETWORKS[:2], NETWORKS[2:3], NETWORKS[3:5], NETWORKS[5:]],
    ids=["mean", "lstm", "three classes", "lstm with bigrams"],
)
def test_networks_side_by_side_predict_as_one_after_the_other(
    networks: list[Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "MAX_TOKENS", 20)  # so that there are many batches
    lengths = np.random.default_rng(0).integers(0, 15, 60)
    reviews = [array([*range(2, 2 + length)]) for length in lengths]
    expected = np.stack([inference.predict_proba(network, reviews) for network in networks])
    probabilities = inference.predict_proba_each(networks, reviews, "made up")
    assert np.allclose(probabilities, expected, atol=1e-6)
    assert len(np.unique(expected)) > len(networks)


@pytest.mark.parametrize(
    ("network", "kwargs", "message"),
    [
        # Smaller than config.json says.
        (LSTMClassifier(VOCAB_SIZE, 6, 4), {},
         r"'lstm.bias_hh_l0' has the shape \(16,\), expected \(20,\)"),
        # Another class.
        (MeanEmbeddingClassifier(VOCAB_SIZE, 6), {},
         r"'lstm.bias_hh_l0' is missing, expected the shape \(20,\)"),
        (LSTMClassifier(VOCAB_SIZE, 6, 5, num_buckets=31), {},
         r"'bigrams.weight' has the shape \(32, 6\), expected no such weight"),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit_their_class_are_not_called_damaged(
    tmp_path: Path, network: Network, kwargs: dict[str, int], message: str
) -> None:
    config = make_config(LSTMClassifier(VOCAB_SIZE, 6, 5))
    config = config.model_copy(update={"kwargs": config.kwargs | kwargs})
    serialization.save_config(config, [f"w{i}" for i in range(VOCAB_SIZE)], tmp_path)
    serialization.save_weights(network, tmp_path, "seed-3")
    with pytest.raises(UserError) as error:
        serialization.load_model(tmp_path)
    text = str(error.value)
    assert re.search(message, text), text
    assert text.startswith(f"{tmp_path}/seed-3.safetensors: does not fit LSTMClassifier")
    assert text.endswith("with this code, or use the code that it was trained with")
    assert "damaged" not in text


@pytest.mark.parametrize("change", ["one missing", "one unexpected", "another size"])
def test_pretrained_weights_of_another_network_are_refused(change: str, tmp_path: Path) -> None:
    weights = LanguageModel(VOCAB_SIZE, 6, 4 if change == "another size" else 5).state_dict()
    weights = {name: weights[name] for name in weights if name.startswith(("embedding", "lstm"))}
    if change == "one missing":
        del weights["lstm.bias_hh_l0"]
    if change == "one unexpected":
        weights["lstm.bias_hh_l1"] = zeros(20)
    save_file(weights, path := tmp_path / "pretrained.safetensors")
    with pytest.raises(UserError, match=r"pretrained\.safetensors: .*lstm\.\w+_l\d.*dvc repro"):
        serialization.load_pretrained(LSTMClassifier(VOCAB_SIZE, 6, 5), path)
