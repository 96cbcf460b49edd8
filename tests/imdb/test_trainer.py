"""The training of the classifiers: every parameter matters, targets, validation, divergence."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from stages.common.errors import UserError
from stages.imdb.corpus.corpus import PAD, Corpus
from stages.imdb.corpus.predictions import Predictions, save_predictions
from stages.imdb.engine import distributed
from stages.imdb.engine.checkpoint import TrainState
from stages.imdb.models.batches import collate
from stages.imdb.models.classifiers import LSTMClassifier, Network
from stages.imdb.models.device import CPU
from stages.imdb.pretraining import trainer as pretrainer
from stages.imdb.training import objective, trainer
from stages.imdb.training.job import Job, Phase, make_config, training_phases
from stages.imdb.training.trainer import (
    TrainingData,
    fit_to_data,
    make_training_data,
    warmup_cosine,
)
from tests.imdb.training_setup import (
    SmallPretraining,
    SmallTraining,
    make_params,
    same_weights,
    weights,
)


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [warmup_cosine(i / 100) for i in range(101)]
    assert max(rates) == pytest.approx(1, abs=0.01)
    assert rates[0] < 0.01
    assert rates[-1] == pytest.approx(0, abs=1e-9)


def test_the_adversarial_update_is_at_the_embeddings_where_the_loss_rises(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Equation 5 of Miyato et al. (2017), checked through the gradients of both updates."""
    torch.manual_seed(0)
    network = LSTMClassifier(50, 6, hidden_size=5)
    network.matmul_dtype = torch.float32
    ids, lengths = collate([np.array([1, 2, 3], np.int32), np.array([4, 5], np.int32)])
    targets = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    embeddings = network.embed(ids).detach().requires_grad_()
    clean_loss = objective.cross_entropy(network.classify(embeddings, lengths), targets)
    [g] = torch.autograd.grad(clean_loss, embeddings)
    norms = [x.flatten(1).norm(dim=1)[:, None, None] for x in (embeddings, g)]
    worst = embeddings + 0.1 * norms[0] * g / norms[1]
    worst_loss = objective.cross_entropy(network.classify(worst, lengths), targets)

    gradients: list[Tensor] = []

    def record(optimizers: object, lr: float) -> None:
        assert network.embedding.weight.grad is not None
        gradients.append(network.embedding.weight.grad.to_dense())
        network.zero_grad()

    monkeypatch.setattr(objective.optim, "step", record)
    state: TrainState[Network] = TrainState(network, [], seed=0)
    phase = Phase("fine-tuning", make_params().lstm, adv_epsilon=0.1)
    batch, shard = (ids, lengths, targets), distributed.shard_batch(2)
    _, loss = objective.training_step(network, state, phase, batch, shard, lr=0.1)
    assert loss == pytest.approx(clean_loss.item())
    assert worst_loss > clean_loss
    expected = torch.zeros(50, 6)
    [e] = torch.autograd.grad(worst_loss, worst)
    for row, gradient in zip(ids.flatten().tolist(), e.flatten(0, 1), strict=True):
        expected[row] += gradient * (row != PAD)
    assert len(gradients) == 2
    torch.testing.assert_close(gradients[1], expected)
    assert not torch.allclose(gradients[0], expected)

    gradients.clear()
    objective.training_step(
        network, state, Phase("training", make_params().lstm), batch, shard, lr=0.1
    )
    assert len(gradients) == 1, "without adv_epsilon there is one update"


def test_the_phases_of_a_training() -> None:
    params = make_params(unlabelled_fraction=0.5, finetune={"epochs": 3, "learning_rate": 0.02})
    training, finetuning = training_phases("lstm", params)
    assert training.params is params.lstm
    assert training.adv_epsilon == 0
    assert finetuning.params.epochs == 3
    assert finetuning.params.learning_rate == 0.02
    assert finetuning.params.unlabelled_fraction == 0
    assert finetuning.adv_epsilon == 0.1
    assert len(training_phases("lstm", make_params(finetune={"epochs": 0}))) == 1
    assert len(training_phases("mean", params)) == 1


CHANGES: dict[str, Any] = {
    "epochs": 2, "batch_size": 3, "learning_rate": 0.05, "max_length": 9, "word_dropout": 0.3,
    "hidden_size": 9, "dropout": 0.6, "ngrams": 2,
}  # fmt: skip
FINETUNE_CHANGES = {"epochs": 2, "learning_rate": 0.03, "adv_epsilon": 0.2}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """The network of a small training."""
    return SmallTraining(tmp_path_factory.mktemp("reference")).run().network


def test_a_training_is_deterministic(tmp_path: Path, reference: Network) -> None:
    assert same_weights(reference, SmallTraining(tmp_path).run().network)


@pytest.mark.parametrize(
    "changes",
    [{name: value} for name, value in CHANGES.items()]
    + [{"finetune": {name: value}} for name, value in FINETUNE_CHANGES.items()],
    ids=str,
)
def test_every_parameter_of_the_training_matters(
    tmp_path: Path, reference: Network, changes: dict[str, Any]
) -> None:
    assert not same_weights(reference, SmallTraining(tmp_path, **changes).run().network)


def test_only_the_bigrams_that_occur_are_trained(tmp_path: Path) -> None:
    network = SmallTraining(tmp_path, ngrams=2).run().network
    trained = weights(network)["bigrams.weight"].norm(dim=1) > 0
    assert 0 < trained.sum() < 16 * 30
    assert not trained[0]


def test_finetuning_draws_other_random_numbers_than_the_training() -> None:
    first, second = (TrainState(nn.Linear(1, 1), [], seed=1, phase=phase) for phase in (0, 1))
    assert first.seed_step().random() != second.seed_step().random()
    assert first.epoch_rng(0).random() != second.epoch_rng(0).random()


def test_the_curves_are_logged_with_validation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = SmallTraining(tmp_path).run()
    assert [point["step"] for point in state.history] == [4, 8, 12, 16, 20, 24, 28, 32]
    for name in ("train/loss", "train/accuracy", "validation/loss", "validation/accuracy"):
        path = tmp_path / "live/seed-1/plots/metrics" / f"{name}.tsv"
        series = pd.read_csv(path, sep="\t")
        assert series["step"].tolist() == [point["step"] for point in state.history]
        expected = [point[name] for point in state.history]
        assert series[name.split("/")[1]].tolist() == pytest.approx(expected)
    assert "lstm, seed 1, after 32 texts: loss" in capsys.readouterr().err


def teacher_data(folder: Path, fraction: float, positive: list[float]) -> TrainingData:
    """Return three labelled and four unlabelled reviews, and the teacher's predictions for them."""
    split = ["train", "train", "unlabelled", "unlabelled", "unlabelled", "unlabelled", "train"]
    metadata = pd.DataFrame({"split": split, "label": [0, 1, -1, -1, -1, -1, 1], "group": ""})
    corpus = Corpus(["w"], np.zeros(7, np.int32), np.arange(8), metadata, "made up")
    teacher = folder / "teacher.safetensors"
    column = np.array([positive], dtype=np.float32)
    probabilities = np.stack([1 - column, column], axis=2)
    save_predictions(
        Predictions("linear", "made up", ["bad", "good"], 1, [0], "float64", probabilities), teacher
    )
    params = make_params(unlabelled_fraction=fraction)
    job = Job(
        seed=1, config=make_config("lstm", params, corpus, CPU), params=params, corpus=folder,
        train_indices=corpus.split_indices("train"), val_indices=np.arange(0), pretrained=None,
        teacher=teacher, live=folder, checkpoints=folder, out=folder, fingerprint="",
    )  # fmt: skip
    return make_training_data(job, training_phases("lstm", params)[0], corpus)


def test_the_teacher_labels_only_the_unlabelled_reviews(tmp_path: Path) -> None:
    data = teacher_data(tmp_path, 1.0, [0.1, 0.2, 0.3, 0.4])
    expected = [0, 1, 0.1, 0.2, 0.3, 0.4, 1]
    assert data.targets[:, 1].tolist() == pytest.approx(expected)
    assert data.targets[:, 0].tolist() == pytest.approx([1 - p for p in expected])
    assert sorted(data.indices) == list(range(7))
    half = teacher_data(tmp_path, 0.5, [0.1, 0.2, 0.3, 0.4])
    assert {0, 1, 6} < set(half.indices)
    assert len(half.indices) == 5
    assert sorted(teacher_data(tmp_path, 0.0, [0.1, 0.2, 0.3, 0.4]).indices) == [0, 1, 6]


def test_a_teacher_for_other_reviews_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"3 predictions, but .* has 4 unlabelled reviews"):
        teacher_data(tmp_path, 1.0, [0.1, 0.2, 0.3])


def test_a_loss_that_is_not_finite_stops_the_training(tmp_path: Path) -> None:
    training = SmallTraining(tmp_path)
    nn.init.constant_(training.network.output.weight, torch.inf)
    message = r"loss of step 1 is (nan|inf): .*; lower learning_rate, 0.01, in params.yaml"
    with pytest.raises(UserError, match=message):
        training.run()


@pytest.mark.parametrize("training", [SmallTraining, SmallPretraining])
def test_only_rank_0_reports_progress(
    training: type[SmallTraining | SmallPretraining],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reported: list[str] = []

    def report(steps: range, total: int, desc: str, *args: object, **kwargs: object) -> range:
        reported.append(desc)
        return steps

    for module in (trainer, pretrainer):
        monkeypatch.setattr(module, "progress", report)
    training(tmp_path).run()
    assert reported
    reported.clear()
    monkeypatch.setattr(distributed, "is_main_process", lambda: False)
    training(tmp_path).run()
    assert not reported


@pytest.mark.parametrize(
    ("num_reviews", "epochs", "batch_size"),
    [(73_750, 1, 64), (6_400, 1, 64), (6_336, 1, 32), (285, 3, 8), (285, 30, 64), (8, 3, 4)],
)
def test_few_reviews_are_read_in_smaller_batches(
    num_reviews: int, epochs: int, batch_size: int
) -> None:
    params = make_params(batch_size=64, epochs=epochs).lstm
    assert fit_to_data(params, num_reviews) == params.model_copy(update={"batch_size": batch_size})
    small = make_params(batch_size=2).lstm
    assert fit_to_data(small, 8) == small


def test_few_steps_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    SmallTraining(tmp_path, batch_size=8).run()
    log = capsys.readouterr().err
    for section in ("imdb.lstm", "imdb.lstm.finetune"):
        assert f"{section}: little data, so it uses batch_size 4 instead of 8\n" in log
        assert f"{section}: the network will hardly learn in 4 steps; raise {section}.epochs" in log
