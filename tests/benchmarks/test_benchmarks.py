"""The harness, and the benchmarks of project 3 on made-up reviews."""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from benchmarks import harness, loop, lstm, lstm_torch, mean, memory, optim, scaling, tokens, worker
from stages.common.params import load_params
from stages.imdb.corpus.corpus import SPECIAL_TOKENS, Corpus, load_corpus
from stages.imdb.corpus.params import Imdb
from stages.imdb.engine.checkpoint import TrainState
from stages.imdb.engine.optim import build_optimizers
from stages.imdb.models.classifiers import LSTMClassifier, MeanEmbeddingClassifier, Network
from stages.imdb.models.device import CPU, seed_everything
from stages.imdb.pretraining.language_model import LanguageModel
from stages.imdb.training import trainer
from stages.imdb.training.job import Job, Phase, make_config
from tests.conftest import ROOT

PARAMS = load_params(ROOT / "params.yaml", "imdb", Imdb)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Use one thread: several wait for each other on a busy machine."""
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(num_threads)


@pytest.fixture
def corpus() -> Corpus:
    """Forty short reviews, six of ten for training; only test reviews have the word of id 3."""
    lengths = np.arange(40) % 7 + 2
    splits = np.where(np.arange(40) % 10 < 6, "train", "test")
    ids = np.repeat(np.where(splits == "train", 2, 3), lengths).astype(np.int32)
    groups = [f"tt{i // 2}" for i in range(40)]
    metadata = pd.DataFrame({"split": splits, "group": groups, "label": np.arange(40) % 2})
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Corpus([*SPECIAL_TOKENS, "good", "secret"], ids, offsets, metadata, "made up")


@pytest.fixture
def data(corpus: Corpus) -> worker.Data:
    data = lstm.make_data(corpus, PARAMS, val_fraction=0.4)
    return replace(data, batch_size=4, max_length=5, embedding_dim=2, hidden_size=3)


def test_the_contenders_get_every_training_review_and_no_test_review(
    corpus: Corpus, data: worker.Data, tmp_path: Path
) -> None:
    train = corpus.split_indices("train")
    assert 3 not in data.ids
    assert [data[i].tolist() for i in range(len(train))] == [corpus[i].tolist() for i in train]
    assert data.labels.tolist() == corpus.labels[train].tolist()
    assert sorted([*data.train_indices, *data.val_indices]) == list(range(len(train)))
    groups = corpus.metadata["group"].to_numpy()[train]
    assert not {*groups[data.train_indices]} & {*groups[data.val_indices]}

    worker.save_data(data, tmp_path / "data.npz")
    loaded = worker.load_data(tmp_path / "data.npz")
    for name, field in vars(data).items():
        assert np.array_equal(getattr(loaded, name), field)


@pytest.mark.parametrize("contender", [lstm_torch.Ours, lstm_torch.Recipe])
def test_a_contender_counts_the_words_and_can_restart(
    data: worker.Data, contender: type[lstm_torch.Ours | lstm_torch.Recipe]
) -> None:
    data = replace(data, batch_size=len(data.train_indices))  # one step is one epoch
    num_words = data.lengths[data.train_indices].sum()
    network = contender(data, 1)
    assert network.train(2) == 2 * num_words
    assert network.train(4) == 4 * num_words  # more than one training of ours
    assert 0 <= network.accuracy() <= 1
    network.restart()
    assert network.train(1) == num_words


@pytest.mark.parametrize("model", ["mean", "lstm"])
def test_our_loop_trains_the_weights_that_the_pipeline_trains(
    corpus: Corpus, tmp_path: Path, model: str
) -> None:
    indices = corpus.split_indices("train")

    def make_network() -> Network:
        seed_everything(1)
        if model == "mean":
            return MeanEmbeddingClassifier(len(corpus.vocab), 2)
        return LSTMClassifier(len(corpus.vocab), 2, 3, dropout=0.3)

    changes = {"batch_size": 4, "max_length": 8, "epochs": 2, "word_dropout": 0.2}
    params = getattr(PARAMS, model).model_copy(update=changes)
    expected, network = make_network(), make_network()
    job = Job(
        seed=1,
        config=make_config(model, PARAMS, corpus, CPU),
        params=PARAMS,
        corpus=tmp_path,
        train_indices=indices,
        val_indices=indices[:0],
        pretrained=None,
        teacher=None,
        live=tmp_path / "live",
        checkpoints=tmp_path / "checkpoints",
        out=tmp_path / "out",
        fingerprint="",
    )
    phase = Phase("training", params)
    training_data = trainer.make_training_data(job, phase, corpus)
    state = TrainState(expected, build_optimizers(expected), 1)
    trainer.train_phase(job, phase, training_data, state, 0)

    words = list(loop.train_steps(network, corpus, indices, params, seed=1))
    assert len(words) == state.step
    for name, weight in expected.state_dict().items():
        assert torch.equal(network.state_dict()[name], weight)


def test_the_time_of_several_processes_is_that_of_the_last() -> None:
    races = {
        lstm.OURS: [{"seconds": 2.0, "accuracy": 0.9}, {"seconds": 4.0, "accuracy": 0.86}],
        "late": [{"seconds": 8.0, "accuracy": 0.85}],
        "failed": [{"seconds": 3.0, "accuracy": 0.86}, {"seconds": 9.0, "accuracy": 0.84}],
    }
    assert lstm.race_rows(races, 0.85) == [
        [lstm.OURS, "4 s", "1.0 ×", "86.0%"],
        ["late", "8 s", "2.0 ×", "85.0%"],
        ["failed", "not within 9 s", "", "84.0%"],
    ]


def test_the_fraction_of_the_peak(data: worker.Data) -> None:
    flops = lstm.flops_per_token(data)
    assert flops == 3 * 2 * (4 * 3) * (2 + 3)
    rows = lstm.speed_rows(
        {lstm.OURS: [100.0, 200.0, 300.0], "other": [50.0, 50.0, 60.0]},
        {"float32": [400.0 * flops]},
        flops,
    )
    assert rows == [[lstm.OURS, "200", "1.00 ×", "50%"], ["other", "50", "0.25 ×", "12%"]]


def test_the_fastest_contender_needs_the_least_time_to_the_target() -> None:
    def training(seconds: float, gain: float) -> mean.Train:
        return lambda epochs: mean.Training(seconds * epochs, gain * epochs)

    slow, fast, never = training(5, 0.5), training(1, 0.31), training(0.1, 0.01)
    assert mean.fastest({"slow": slow}, 0.9, 3) == ("slow", 2)
    assert mean.fastest({"slow": slow, "fast": fast, "never": never}, 0.9, 3) == ("fast", 3)
    assert mean.fastest({"never": never}, 0.9, 3) is None

    accuracies = iter([0.95, 0.8, 0.8, 0.85, 0.91])
    lucky = {"lucky": lambda epochs: mean.Training(1, next(accuracies))}
    assert mean.fastest(lucky, 0.9, 2) is None


def test_fasttext_gets_one_review_per_line(corpus: Corpus, tmp_path: Path) -> None:
    mean.write_fasttext(corpus, np.array([1, 6]), tmp_path / "text")
    lines = (tmp_path / "text").read_text().splitlines()
    assert lines == ["__label__1 good good good", "__label__0" + 8 * " secret"]


def test_encodings_are_compared_by_their_words() -> None:
    offsets = np.array([0, 2, 3, 3])
    first = np.array([0, 1, 2], np.int32)
    ours, theirs = ["a", "b", "c"], ["c", "a", "b"]
    same = np.array([1, 2, 0], np.int32)
    count = tokens.count_differences
    assert count((first, same), (offsets, offsets), (ours, theirs)) == 0
    assert count((first, first), (offsets, offsets), (ours, theirs)) == 2
    assert count((first, first), (offsets, offsets), (ours, ["a", "b", "x"])) == 1
    shifted = np.array([0, 1, 2, 3])
    assert count((first, first), (offsets, shifted), (ours, ours)) == 3


def test_increases_are_measured_per_further_review(tmp_path: Path) -> None:
    runs = {
        n: harness.ProcessStats(2.0 * n, 2**20 + 8 * n) for n in (1_000_000, 3_000_000, 10_000_000)
    }
    row, *_ = rows = scaling.table_rows({"a stage": runs})
    assert row[-1] == "2,000,000 µs"
    assert rows[1] == ["a stage: peak memory", "9 MiB", "24 MiB", "77 MiB", "8 bytes"]
    scaling.plot({"a stage": runs}, tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").stat().st_size > 1_000


def test_the_data_stages_run_on_a_repeated_custom_dataset(tmp_path: Path) -> None:
    count = 30
    table = pa.table(
        {
            "text": ["good, or not good"] * count,
            "label": [i % 2 if i < 20 else -1 for i in range(count)],
            "split": ["train" if i < 10 else "test" if i < 20 else "unlabelled" for i in range(30)],
        }
    )
    scaling.write_params(ROOT / "params.yaml", tmp_path / "params.yaml")
    scaling.write_custom_csv(table, 2, tmp_path / "custom.csv")
    stats = scaling.measure(tmp_path)
    assert [*stats] == ["download", "tokenize", "vocabulary"]
    assert all(run.seconds > 0 and run.memory > 2**20 for run in stats.values())
    corpus = load_corpus(tmp_path / "corpus")
    assert len(corpus.ids) == 2 * count * 4
    assert corpus.labels.tolist() == 2 * table["label"].to_pylist()
    assert corpus.metadata["split"].tolist() == 2 * table["split"].to_pylist()


def test_both_sampled_softmax_losses_have_the_same_value_and_gradient() -> None:
    results = []
    for cls in (LanguageModel, optim.CrossEntropyModel):
        torch.manual_seed(0)
        model = cls(50, 4, 3)
        model.matmul_dtype = torch.float32
        window, sampled = torch.randint(50, (6, 8)), torch.randperm(50)[:20]
        loss, _ = model(window, None, sampled, torch.randn(20))
        loss.backward()
        results.append([loss, *(p.grad for p in model.parameters())])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_every_training_step_has_a_row_with_its_ratio() -> None:
    sizes = {"batch_size": 2}
    small = PARAMS.model_copy(
        update={
            "vocabulary": PARAMS.vocabulary.model_copy(update={"size": 60}),
            "mean": PARAMS.mean.model_copy(update=sizes),
            "lstm": PARAMS.lstm.model_copy(update=sizes | {"hidden_size": 4}),
            "pretrain": PARAMS.pretrain.model_copy(update=sizes | {"bptt": 4}),
        }
    )
    rows = optim.measure(small, rounds=1)
    assert [row[0].partition(",")[0] for row in rows] == [
        "MeanEmbeddingClassifier",
        "LSTMClassifier",
        "LanguageModel",
    ]
    for _, ours, theirs, ratio in rows:
        assert ours.endswith(" ms")
        assert theirs.endswith(" ms")
        assert float(ratio.removesuffix(" ×")) > 0


def test_turns_are_interleaved_and_warm_ups_are_not_counted() -> None:
    calls: list[str] = []

    def turn(name: str) -> int:
        calls.append(name)
        return len(calls)

    contenders = {name: partial(turn, name) for name in "ab"}
    assert harness.run_interleaved(contenders, 2, warm_ups=1) == {"a": [3, 5], "b": [4, 6]}
    assert calls == list("ababab")
    assert harness.median_ratio([2, 30, 4], [1, 10, 1]) == 3


def test_the_memory_of_each_stage_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = {"short": "python -c 'print()'", "long": "python -c 'import time; time.sleep(60)'"}
    lock = {"stages": {name: {"cmd": command} for name, command in stages.items()}}
    (tmp_path / "dvc.lock").write_text(json.dumps(lock))
    monkeypatch.setattr(harness, "ROOT", tmp_path)
    out = tmp_path / "memory.md"
    monkeypatch.setattr(sys, "argv", ["memory", "--seconds", "1", "--out", str(out)])
    memory.main()
    rows = re.findall(r"\n\| (.*) \| ([0-9,]+) MiB \|", out.read_text("utf-8"))
    assert [name for name, _ in rows] == ["short", "long (stopped after 1 s)"]
    assert "Above 2,048 MiB: none." in out.read_text("utf-8")


def test_a_report_has_a_table_and_the_machine(tmp_path: Path) -> None:
    lines = harness.markdown_table(["a", "b"], [["1", "2"], ["left out"]])
    assert lines == ["| a | b |", "| --- | ---: |", "| 1 | 2 |", "| left out |  |", ""]
    harness.write_report(tmp_path / "name.md", "Title", "Summary.", lines, "torch")
    text = (tmp_path / "name.md").read_text("utf-8")
    assert text.startswith(
        "# Title\n\nSummary. Made by `python -m benchmarks.name`.\nRecorded on: "
    )
    # torch.__version__ can end with the version of CUDA, which is not part of the package's.
    assert f"torch {metadata.version('torch')}, revision " in text
    assert text.endswith("\n| left out |  |\n")


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("requirements-*.txt")))
def test_every_package_of_a_contender_is_pinned(path: Path) -> None:
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    assert lines
    for line in lines:
        package = line.partition("==")[0]
        version = harness.pinned_version(path.stem.partition("-")[2], package)
        assert version == line.replace("==", " ")


@pytest.mark.parametrize("name", ["lstm", "mean", "memory", "mlp", "scaling", "tokens"])
def test_every_recorded_report_names_its_machine_and_command(name: str) -> None:
    text = (ROOT / "benchmarks" / f"{name}.md").read_text("utf-8")
    assert f"Made by `python -m benchmarks.{name}" in text
    assert "\nRecorded on: " in text
