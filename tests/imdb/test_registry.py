"""The registry of networks fits the parameters and the classes."""

import pytest
import torch

from stages.common.params import load_params
from stages.imdb.corpus.params import Imdb
from stages.imdb.models.device import CPU
from stages.imdb.models.registry import NETWORKS
from stages.imdb.models.serialization import build_model
from stages.imdb.training.job import make_config, model_params
from tests.clone import ROOT
from tests.imdb.training_setup import VOCAB_SIZE, make_corpus

PARAMS = load_params(ROOT / "params.yaml", "imdb", Imdb)
every_network = pytest.mark.parametrize("name", NETWORKS)


@every_network
@pytest.mark.parametrize("ngrams", [1, 2])
def test_a_network_is_built_from_its_parameters(name: str, ngrams: int) -> None:
    changes = {"ngrams": ngrams, "num_buckets": 1_000}
    section = model_params(name, PARAMS).model_copy(update=changes)
    config = make_config(name, PARAMS.model_copy(update={name: section}), make_corpus(), CPU)
    network = build_model(config)
    assert network.vocab_size == VOCAB_SIZE
    rows = sum(w.shape[0] for w in network.parameters() if w.shape[-1] == PARAMS.embedding_dim)
    assert rows > 1_000 or ngrams == 1
    ids, lengths = torch.tensor([[3, 4]], dtype=torch.int32), torch.tensor([2])
    assert network(ids, lengths).shape == (1,)
