"""What to train."""

from dataclasses import dataclass
from pathlib import Path

import torch

from stages.imdb.corpus.corpus import Corpus, Indices
from stages.imdb.corpus.params import Imdb, LSTMParams, TrainingParams
from stages.imdb.models.classifiers import SequenceClassifier
from stages.imdb.models.device import get_matmul_dtype
from stages.imdb.models.registry import NETWORKS
from stages.imdb.models.serialization import ModelConfig, run_name


@dataclass(frozen=True)
class Job:
    """The training of one network. It is picklable, for the worker processes.

    Attributes:
        seed: Of everything random.
        config: The model.
        params: The section `imdb` of the parameters.
        corpus: Folder of the tokenized reviews.
        train_indices: int64, the labelled reviews to train on.
        val_indices: int64, the labelled reviews to validate on.
        pretrained: File with the weights of a language model to start from, or None.
        teacher: File with predictions for the unlabelled reviews, used as their labels, or None.
        live: Folder for the curves.
        checkpoints: Folder for the checkpoints.
        out: Folder for the weights.
        fingerprint: Of the training, for its checkpoints.
        number: Of this training among those of the model, from 0.
        backward: Whether the network reads each review from its last word to its first.
    """

    seed: int
    config: ModelConfig
    params: Imdb
    corpus: Path
    train_indices: Indices
    val_indices: Indices
    pretrained: Path | None
    teacher: Path | None
    live: Path
    checkpoints: Path
    out: Path
    fingerprint: str
    number: int = 0
    backward: bool = False

    @property
    def name(self) -> str:
        """Name of its files."""
        return run_name(self.seed, self.backward)

    @property
    def label(self) -> str:
        """Name for messages."""
        return f"{self.config.model}, seed {self.seed}" + (", backward" if self.backward else "")


@dataclass(frozen=True)
class Phase:
    """One phase of a training.

    Attributes:
        name: For messages and the file name of the checkpoint.
        params: Its hyperparameters.
        adv_epsilon: Size of the adversarial perturbation; 0: no adversarial training.
    """

    name: str
    params: TrainingParams
    adv_epsilon: float = 0.0


def model_params(model: str, params: Imdb) -> TrainingParams:
    """Return the section of one model, which has the model's name."""
    section: TrainingParams = getattr(params, model)
    return section


def training_phases(model: str, params: Imdb) -> list[Phase]:
    """Return the phases of a training, in order.

    After its training, the LSTM is fine-tuned on the labelled reviews only, with a new optimizer
    and a new learning rate schedule. Its other hyperparameters are those of the training.
    """
    section = model_params(model, params)
    phases = [Phase("training", section)]
    if isinstance(section, LSTMParams) and section.finetune.epochs:
        changes = section.finetune.model_dump(include={"epochs", "learning_rate"})
        changes |= {"unlabelled_fraction": 0.0}
        tuned = section.model_copy(update=changes)
        phases.append(Phase("fine-tuning", tuned, section.finetune.adv_epsilon))
    return phases


def make_config(model: str, params: Imdb, corpus: Corpus, device: torch.device) -> ModelConfig:
    """Return the configuration of the model that the parameters describe, trained on `device`."""
    network_class = NETWORKS[model].network_class
    is_sequence = issubclass(network_class, SequenceClassifier)  # the mean has no large products
    dtype = get_matmul_dtype(params.train.precision, device) if is_sequence else torch.float32
    kwargs = {"vocab_size": len(corpus.vocab), "embedding_dim": params.embedding_dim}
    section = model_params(model, params)
    kwargs |= {name: getattr(section, name) for name in NETWORKS[model].sizes}
    if num_buckets := section.bigram_buckets:
        kwargs |= {"num_buckets": num_buckets}
    return ModelConfig(
        model=model,
        data_name=corpus.data_name,
        classes=list(corpus.classes),
        seeds=params.seeds,
        precision=params.train.precision,
        trained_precision="bfloat16" if dtype == torch.bfloat16 else "float32",
        kwargs=kwargs,
        bidirectional=isinstance(section, LSTMParams) and section.bidirectional,
    )
