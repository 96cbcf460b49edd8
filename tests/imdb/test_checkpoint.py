"""A training that is stopped anywhere and resumed ends with the same bits."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from stages.imdb import checkpoint, pretraining
from stages.imdb.checkpoint import Checkpoint, Run, identity_of
from stages.imdb.device import deterministic
from stages.imdb.models import LSTMClassifier, MeanClassifier
from stages.imdb.params import LSTM, Pretrain, Training
from stages.imdb.reviews import Reviews
from stages.imdb.training import adversarial, begin, plain, targets_of, train

WORDS = 40
COMMON = {
    "epochs": 3,
    "batch": 4,
    "learning_rate": 0.01,
    "window": 8,
    "word_dropout": 0.2,
    "unlabelled": 1,
    "ngrams": 2,
    "buckets": 1_000,
}


def reviews() -> Reviews:
    generator = np.random.default_rng(0)
    lengths = generator.integers(1, 30, 18)
    ids = generator.integers(2, WORDS, lengths.sum(), dtype=np.int32)
    index = pd.DataFrame({"split": "train", "label": np.arange(18) % 2, "film": ""})
    return Reviews(["w"] * WORDS, ids, np.append(0, lengths.cumsum()), index, "made up")


REVIEWS = reviews()
ALL = np.arange(18)
Begun = tuple[Run[nn.Module], Iterator[object]]


def mean() -> Begun:
    deterministic(1)
    settings = Training.model_validate(COMMON)
    network = MeanClassifier(WORDS, 6, buckets=1_000)
    run = begin(network, 1)
    return run, train(run, partial(plain, network), REVIEWS, ALL, targets_of(REVIEWS), settings)  # type: ignore[return-value]


def lstm() -> Begun:
    deterministic(1)
    own = {
        "hidden": 5,
        "dropout": 0.5,
        "refine": {"epochs": 0, "learning_rate": 0.01, "perturbation": 0.0},
    }
    settings = LSTM.model_validate({**COMMON, **own})
    network = LSTMClassifier(WORDS, 6, 5, dropout=0.5, buckets=1_000)
    run = begin(network, 1)
    objective = partial(adversarial, network, 0.1)
    return run, train(run, objective, REVIEWS, ALL, targets_of(REVIEWS), settings)  # type: ignore[return-value]


def language() -> Begun:
    run = pretraining.begin(WORDS, 6, 5, buckets=1_000, seed=1)
    settings = Pretrain.model_validate(
        {
            "epochs": 3, "batch": 3, "steps": 10, "sample": 8, "learning_rate": 0.01,
            "threads": 1, "seed": 1,
        }
    )  # fmt: skip
    return run, pretraining.pretrain(run, REVIEWS, ALL, settings)  # type: ignore[return-value]


def weights(run: Run[nn.Module]) -> dict[str, Tensor]:
    return {name: weight.clone() for name, weight in run.network.state_dict().items()}


TRAININGS = pytest.mark.parametrize("training", [mean, lstm, language])


@TRAININGS
@pytest.mark.parametrize("stops", [[1], [5], [3, 4, 11], [14]])
def test_a_training_stopped_anywhere_ends_with_the_same_bits(
    training: Callable[[], Begun], stops: list[int], tmp_path: Path
) -> None:
    whole, events = training()
    length = len(list(events))
    expected = weights(whole)
    for stop in stops:
        run, events = training()
        checkpoint = Checkpoint(tmp_path / "checkpoint.safetensors", "mine")
        checkpoint.resume(run)
        assert run.step < stop < length
        for _ in islice(events, stop - run.step):
            pass
        checkpoint.save(run)
    resumed, events = training()
    Checkpoint(tmp_path / "checkpoint.safetensors", "mine").resume(resumed)
    assert resumed.step == stops[-1]
    assert len(list(events)) == length - stops[-1]
    assert resumed.sums == whole.sums
    for name, weight in weights(resumed).items():
        assert torch.equal(weight, expected[name]), name


@TRAININGS
def test_a_finished_training_has_nothing_left_to_do(
    training: Callable[[], Begun], tmp_path: Path
) -> None:
    run, events = training()
    list(events)
    Checkpoint(tmp_path / "checkpoint", "mine").save(run)
    again, events = training()
    Checkpoint(tmp_path / "checkpoint", "mine").resume(again)
    assert list(events) == []
    for name, weight in weights(again).items():
        assert torch.equal(weight, run.network.state_dict()[name])


def test_a_large_network_is_saved_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(checkpoint, "SECONDS", 10.0)
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now)
    run, events = mean()
    next(iter(events))
    file = Checkpoint(tmp_path / "checkpoint", "mine")
    now = 10.0
    assert file.save_if_due(run)  # nothing is known of its size yet
    monkeypatch.setattr(checkpoint, "LARGE", file.path.stat().st_size // 3)
    now = 39.0
    assert not file.save_if_due(run)
    resumed = Checkpoint(file.path, "mine")  # of a process that begins now
    resumed.resume(mean()[0])
    now = 41.0
    assert file.save_if_due(run)
    assert not resumed.save_if_due(run)


@pytest.mark.parametrize("content", [None, b"", b"rubbish", "another"])
def test_a_checkpoint_that_is_missing_damaged_or_anothers_is_not_used(
    content: bytes | str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "checkpoint"
    run, events = mean()
    next(iter(events))
    if content == "another":
        Checkpoint(path, "another").save(run)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    again, _ = mean()
    before = weights(again)
    Checkpoint(path, "mine").resume(again)
    assert again.step == 0
    assert all(torch.equal(weight, before[name]) for name, weight in weights(again).items())
    assert (str(path) in capsys.readouterr().err) == (content is not None)


def test_an_identity_tells_parameters_and_data_apart(tmp_path: Path) -> None:
    folder = tmp_path / "reviews"
    folder.mkdir()
    (folder / "ids").write_bytes(b"1")
    first = identity_of({"epochs": 1}, [folder])
    assert identity_of({"epochs": 1}, [folder]) == first
    assert identity_of({"epochs": 2}, [folder]) != first
    (folder / "ids").write_bytes(b"2")
    assert identity_of({"epochs": 1}, [folder]) != first
