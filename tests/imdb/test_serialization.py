"""Trained networks on disk, and their predictions after loading."""

import json
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


@pytest.fixture(params=[0, 2, 5], ids=["mean", "lstm", "lstm with bigrams"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    network = NETWORKS[request.param]
    vocab = [f"w{i}" for i in range(VOCAB_SIZE)]
    serialization.save_config(make_config(network), vocab, tmp_path)
    serialization.save_weights(network, tmp_path, 3)
    return tmp_path


def test_a_loaded_network_predicts_as_before(folder: Path) -> None:
    network, vocab = serialization.load_model(folder)
    [original] = [each for each in NETWORKS if same_weights(each, network)]
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


def changed_config(**changes: object) -> bytes:
    return json.dumps(make_config(NETWORKS[0]).model_dump() | changes).encode()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("seed-3.safetensors", None),
        ("seed-3.safetensors", b"\x80\x04rubbish"),
        ("config.json", None),
        ("config.json", b"{"),
        ("config.json", changed_config(kwargs={"vocab_size": 0})),
        ("config.json", changed_config(model="transformer")),
        ("vocab.txt", b"one\n"),
        ("vocab.txt", None),
    ],
)
def test_a_missing_or_damaged_file_is_named(folder: Path, file: str, content: bytes | None) -> None:
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    with pytest.raises(UserError, match=file.replace(".", r"\.")):
        serialization.load_model(folder)


def test_weights_of_another_size_are_refused(folder: Path) -> None:
    serialization.save_weights(MeanEmbeddingClassifier(VOCAB_SIZE, 7), folder, 3)
    with pytest.raises(UserError, match=r"damaged \(no weight has the size embedding_dim = 6"):
        serialization.load_model(folder)


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
