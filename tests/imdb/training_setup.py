"""Small trainings for tests: a made-up corpus, parameters, and one phase of a training."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from stages.common.params import load_params
from stages.imdb.corpus.corpus import Corpus
from stages.imdb.corpus.params import Imdb, LSTMParams, Pretrain, TrainingParams
from stages.imdb.engine import optim
from stages.imdb.engine.checkpoint import Checkpoint, TrainState
from stages.imdb.models.classifiers import LSTMClassifier, MeanEmbeddingClassifier, Network
from stages.imdb.models.device import CPU, seed_everything
from stages.imdb.pretraining import trainer as pretrainer
from stages.imdb.pretraining.language_model import LanguageModel
from stages.imdb.training import trainer
from stages.imdb.training.job import Job, make_config, training_phases
from tests.clone import ROOT

torch.set_num_threads(1)  # the tensors are small, and idle threads of OpenMP slow the others

VOCAB_SIZE = 40
TRAINING = {
    "epochs": 1, "batch_size": 4, "learning_rate": 0.01, "max_length": 8, "word_dropout": 0.0,
    "unlabelled_fraction": 0.0, "ngrams": 1, "num_buckets": 1_000,
}  # fmt: skip
FINETUNE = {"epochs": 1, "learning_rate": 0.01, "adv_epsilon": 0.1}
LSTM = {
    **TRAINING, "hidden_size": 5, "dropout": 0.0, "bidirectional": False, "finetune": FINETUNE,
}  # fmt: skip
PRETRAIN = {
    "epochs": 3, "batch_size": 3, "bptt": 10, "num_sampled": 8, "dropout": 0.0,
    "learning_rate": 0.01, "threads": 1, "seed": 1,
}  # fmt: skip


def make_corpus(lengths: np.ndarray[Any, Any] | None = None) -> Corpus:
    """Return 18 labelled training reviews of random words."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 30, 18) if lengths is None else lengths
    ids = rng.integers(2, VOCAB_SIZE, lengths.sum(), dtype=np.int32)
    labels = (np.arange(len(lengths)) % 2).astype(np.int8)
    metadata = pd.DataFrame({"split": "train", "label": labels, "group": ""})
    vocab = ["<pad>", "<unk>", *(f"w{i}" for i in range(2, VOCAB_SIZE))]
    return Corpus(vocab, ids, np.append(0, lengths.cumsum()), metadata, "made up")


def make_params(model: str = "lstm", **changes: Any) -> Imdb:
    """Return the parameters of a small model, some of them changed; finetune's by `finetune`."""
    params = load_params(ROOT / "params.yaml", "imdb", Imdb)
    section: TrainingParams
    if model == "mean":
        section = TrainingParams.model_validate({**TRAINING, **changes})
    else:
        finetune = {**FINETUNE, **changes.pop("finetune", {})}
        section = LSTMParams.model_validate({**LSTM, **changes, "finetune": finetune})
    pretrain = Pretrain.model_validate(PRETRAIN)
    update = {model: section, "pretrain": pretrain, "embedding_dim": 6, "seeds": [1]}
    return params.model_copy(update=update)


class SmallTraining:
    """A training of every phase of a model on a made-up corpus."""

    def __init__(self, folder: Path, model: str = "lstm", **changes: Any) -> None:
        self.corpus = make_corpus()
        self.params = make_params(model, **changes)
        self.job = Job(
            seed=1,
            config=make_config(model, self.params, self.corpus, CPU),
            params=self.params,
            corpus=folder / "corpus",
            train_indices=np.arange(16),
            val_indices=np.arange(16, 18),
            pretrained=None,
            teacher=None,
            live=folder / "live",
            checkpoints=folder / "checkpoints",
            out=folder,
            fingerprint="the same",
        )
        seed_everything(1)
        # Not build_model: some tests set initial weights.
        kwargs = self.job.config.kwargs
        self.network: Network = (
            MeanEmbeddingClassifier(**kwargs) if model == "mean" else LSTMClassifier(**kwargs)
        )

    def run(self) -> TrainState[Network]:
        """Train all phases; return the state after the last one."""
        if isinstance(self.network, LSTMClassifier):
            self.network.dropout.p = self.params.lstm.dropout
        history: list[dict[str, float]] = []
        seen = 0
        for number, phase in enumerate(training_phases(self.job.config.model, self.params)):
            data = trainer.make_training_data(self.job, phase, self.corpus)
            optimizers = optim.build_optimizers(self.network)
            state = TrainState(self.network, optimizers, 1, number, history=history)
            trainer.train_phase(self.job, phase, data, state, seen)
            history, seen = state.history, seen + phase.params.epochs * len(data.indices)
        return state


class SmallPretraining:
    """A training of a language model on a made-up corpus."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.params = make_params(ngrams=2)

    def run(self) -> TrainState[LanguageModel]:
        state = pretrainer.new_state(VOCAB_SIZE, self.params, CPU)
        checkpoint = Checkpoint(self.folder / "pretrain.safetensors", "the same")
        pretrainer.train_language_model(
            state, make_corpus(), np.arange(18), self.params.pretrain, checkpoint,
            self.folder / "live",
        )  # fmt: skip
        return state


def weights(network: nn.Module) -> dict[str, Tensor]:
    """Return a copy of a network's weights."""
    return {name: weight.clone() for name, weight in network.state_dict().items()}


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    """Return True if two networks have equal weights of the same names."""
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[n], second[n]) for n in first)
