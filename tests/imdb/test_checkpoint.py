"""A training that is stopped anywhere and resumed ends with the same bits."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.imdb.engine import checkpoint
from stages.imdb.engine.checkpoint import Checkpoint, TrainState, training_fingerprint
from tests.clone import ROOT
from tests.imdb.training_setup import SmallPretraining, SmallTraining, same_weights, weights

Make = Callable[[Path], SmallTraining | SmallPretraining]
COMMON: dict[str, Any] = {"epochs": 3, "word_dropout": 0.2, "ngrams": 2}


def mean(folder: Path) -> SmallTraining:
    return SmallTraining(folder, "mean", **COMMON)


def lstm(folder: Path) -> SmallTraining:
    return SmallTraining(folder, "lstm", dropout=0.5, **COMMON)


class Stopped(Exception):  # noqa: N818  not an error
    pass


def stop_after(step: int, phase: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Save a checkpoint after a step of a phase, then stop the training."""

    def is_due(self: Checkpoint) -> bool:
        return True

    def save(self: Checkpoint, state: TrainState[Any]) -> None:
        original(self, state)
        if (state.phase, state.step) == (phase, step):
            raise Stopped

    original = Checkpoint.save
    monkeypatch.setattr(Checkpoint, "is_due", is_due)
    monkeypatch.setattr(Checkpoint, "save", save)


@pytest.mark.parametrize(
    ("make", "stops"),
    [
        (mean, [(0, 3), (0, 4), (0, 11)]),
        (lstm, [(0, 3), (0, 4), (0, 11)]),
        (lstm, [(1, 2)]),
        (SmallPretraining, [(0, 3), (0, 4), (0, 11)]),
    ],
)
def test_a_training_stopped_anywhere_ends_with_the_same_bits(
    make: Make, stops: list[tuple[int, int]], tmp_path: Path
) -> None:
    expected = make(tmp_path / "whole").run()
    for phase, step in stops:
        with pytest.MonkeyPatch.context() as monkeypatch:
            stop_after(step, phase, monkeypatch)
            with pytest.raises(Stopped):
                make(tmp_path / "stopped").run()
    state = make(tmp_path / "stopped").run()
    assert same_weights(state.network, expected.network)
    assert state.history == expected.history
    for path in (tmp_path / "whole/live").rglob("*.tsv"):
        other = tmp_path / "stopped" / path.relative_to(tmp_path / "whole")
        assert other.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("make", [mean, lstm])
def test_a_finished_training_is_not_repeated(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make(tmp_path).run()
    expected = weights(first.network)
    monkeypatch.setattr(Checkpoint, "save", None)  # a step would save
    again = make(tmp_path).run()
    assert all(torch.equal(w, expected[name]) for name, w in weights(again.network).items())


def test_a_checkpoint_is_due_after_the_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(checkpoint, "SAVE_INTERVAL", 10.0)
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now)
    file = Checkpoint(tmp_path / "checkpoint", "mine")
    assert not file.is_due()
    now = 10.0
    assert file.is_due()
    file.save(mean(tmp_path).run())
    assert not file.is_due()


@pytest.mark.parametrize("content", [None, b"", b"rubbish", "another"])
def test_a_missing_damaged_or_foreign_checkpoint_is_not_used(
    content: bytes | str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "checkpoint"
    if content == "another":
        Checkpoint(path, "another").save(mean(tmp_path).run())
    elif isinstance(content, bytes):
        path.write_bytes(content)
    capsys.readouterr()
    training = mean(tmp_path)
    state: TrainState[Any] = TrainState(training.network, [], seed=1)
    before = weights(training.network)
    Checkpoint(path, "mine").resume(state)
    assert state.step == 0
    assert all(torch.equal(w, before[name]) for name, w in weights(training.network).items())
    assert (str(path) in capsys.readouterr().err) == (content is not None)


def test_the_fingerprint_depends_on_parameters_and_data(tmp_path: Path) -> None:
    folder = tmp_path / "reviews"
    folder.mkdir()
    (folder / "ids").write_bytes(b"1")
    first = training_fingerprint({"epochs": 1}, [folder])
    assert training_fingerprint({"epochs": 1}, [folder]) == first
    assert training_fingerprint({"epochs": 2}, [folder]) != first
    (folder / "ids").write_bytes(b"2")
    assert training_fingerprint({"epochs": 1}, [folder]) != first


def test_the_fingerprint_depends_on_the_code_that_the_stage_imports(tmp_path: Path) -> None:
    stages = shutil.copytree(ROOT / "stages", tmp_path / "stages")
    code = (
        "import stages.imdb.training.main\n"
        "from stages.imdb.engine.checkpoint import training_fingerprint\n"
        "print(training_fingerprint(1, []))"
    )

    def current() -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        return done.stdout

    first = current()

    def change(name: str) -> None:
        with (stages / name).open("a", encoding="utf-8") as file:
            file.write("\n# changed\n")

    for name in ("imdb/figures/main.py", "imdb/pretraining/trainer.py", "mlp_numpy/model.py"):
        change(name)
    assert current() == first
    change("imdb/training/trainer.py")
    assert current() != first
