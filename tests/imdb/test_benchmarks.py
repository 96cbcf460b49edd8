"""The benchmarks' own logic, on made-up reviews; nothing is timed against anything."""

import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import common, growth, lstm, mean, tokens, turns
from benchmarks.lstm_torch import Ours, Recipe
from stages.common import params
from stages.imdb.download import write_reviews
from stages.imdb.params import Imdb
from stages.imdb.reviews import Reviews
from stages.imdb.tokenize import tokenize_file
from tests.conftest import ROOT

SETTINGS = params.load(ROOT / "params.yaml", "imdb", Imdb)


@pytest.fixture
def reviews() -> Reviews:
    """Forty of a few words each: six of ten to train on, the others of the test, told apart."""
    lengths = np.arange(40) % 7 + 2
    splits = np.where(np.arange(40) % 10 < 6, "train", "test")
    ids = np.concatenate(
        [np.full(n, 2 if split == "train" else 3) for n, split in zip(lengths, splits, strict=True)]
    ).astype(np.int32)
    index = pd.DataFrame(
        {
            "split": splits,
            "film": [f"tt{i // 2}" for i in range(40)],
            "label": np.arange(40) % 2,
        }
    )
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Reviews(["<pad>", "<unk>", "good", "secret"], ids, offsets, index, "made up")


@pytest.fixture
def data(reviews: Reviews) -> turns.Data:
    small = lstm.data_of(reviews, SETTINGS, hidden=3, held_out=0.4)
    return replace(small, batch=4, window=5, embedding_dim=2)


def test_the_contenders_get_every_training_review_once_and_no_test_review(
    reviews: Reviews, data: turns.Data, tmp_path: Path
) -> None:
    train = reviews.where("train")
    assert 3 not in data.ids
    assert [data[i].tolist() for i in range(len(train))] == [reviews[i].tolist() for i in train]
    assert data.labels.tolist() == reviews.labels[train].tolist()
    both = np.concatenate([data.train, data.held_out])
    assert sorted(both) == list(range(len(train)))
    films = reviews.index["film"].to_numpy()[train]
    assert not set(films[data.train]) & set(films[data.held_out])

    turns.save(data, tmp_path / "data.npz")
    again = turns.load(tmp_path / "data.npz")
    for name, field in vars(data).items():
        assert np.array_equal(getattr(again, name), field)


def test_an_order_holds_each_review_once_an_epoch() -> None:
    order = turns.Order(np.arange(7), seed=0)
    taken = np.concatenate([order.take(3) for _ in range(7)])
    for epoch in taken.reshape(3, 7):
        assert sorted(epoch) == list(range(7))


@pytest.mark.parametrize("name", ["ours", "recipe"])
def test_a_contender_counts_the_words_within_the_window_and_learns_again(
    data: turns.Data, name: str
) -> None:
    data = replace(data, batch=len(data.train))  # a step is an epoch
    contender: turns.Contender = (
        Ours(data, ROOT / "params.yaml", 1) if name == "ours" else Recipe(data, 1)
    )
    assert contender.learn(2) == 2 * data.lengths[data.train].sum()
    assert contender.learn(4) == 4 * data.lengths[data.train].sum()  # beyond one run of ours
    assert 0 <= contender.accuracy() <= 1
    contender.restart()
    assert contender.learn(1) == data.lengths[data.train].sum()


class Improving:
    """Is right about so many per cent as it has had batches."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.batches = 0

    def learn(self, batches: int) -> int:
        self.batches += batches
        return 10 * batches

    def accuracy(self) -> float:
        return self.batches / 100


def test_a_race_ends_when_the_target_is_reached_or_the_epochs_are_over(data: turns.Data) -> None:
    data = replace(data, train=np.arange(80), batch=4)  # 20 batches an epoch
    contender = Improving()
    play = turns.Turns(contender, data)
    curve = play.race(target=0.12, limit=1e9, checks=4, epochs=6)["curve"]
    assert [accuracy for _, accuracy in curve] == [0.05, 0.10, 0.15]
    curve = play.race(target=2, limit=1e9, checks=4, epochs=2)["curve"]
    assert [accuracy for _, accuracy in curve][-1] == 0.4
    assert len(play.race(target=2, limit=0, checks=4, epochs=2)["curve"]) == 1


def test_the_race_of_several_is_over_when_the_last_arrives() -> None:
    races = {
        lstm.OURS: [{"curve": [[1.0, 0.5], [2.0, 0.9]]}, {"curve": [[4.0, 0.86]]}],
        "late": [{"curve": [[8.0, 0.85]]}],
        "lost": [{"curve": [[9.0, 0.84]]}],
    }
    assert lstm.race_rows(races, 0.85) == [
        [lstm.OURS, "4 s", "1.0 ×", "86.0%"],
        ["late", "8 s", "2.0 ×", "85.0%"],
        ["lost", "not within 9 s", "", "84.0%"],
    ]


def test_the_share_of_the_peak(data: turns.Data) -> None:
    operations = lstm.work(data)
    assert operations == 3 * 2 * (4 * 3) * (2 + 3)
    rows = lstm.speed_rows(
        {lstm.OURS: [100.0, 200.0, 300.0], "other": [50.0, 50.0, 60.0]},
        {"float32": [400.0 * operations]},
        operations,
    )
    assert rows == [[lstm.OURS, "200", "1.00 ×", "50%"], ["other", "50", "0.25 ×", "12%"]]


def test_the_fewest_epochs_that_arrive_in_the_least_time_count() -> None:
    def training(seconds: float, gain: float) -> mean.Train:
        return lambda epochs: mean.Trained(seconds * epochs, gain * epochs)

    slow, fast, never = training(5, 0.5), training(1, 0.31), training(0.1, 0.01)
    assert mean.arrival(slow, 0.9, 3) == (2, (10, 1.0))
    assert mean.fastest({"slow": slow, "fast": fast, "never": never}, 0.9, 3) == ("fast", 3)
    assert mean.fastest({"never": never}, 0.9, 3) is None


def test_fasttext_gets_a_review_a_line(reviews: Reviews, tmp_path: Path) -> None:
    mean.write_text(reviews, np.array([1, 6]), tmp_path / "text")
    assert (tmp_path / "text").read_text() == "__label__1 good good good\n" + (
        "__label__0 " + "secret " * 8
    ).strip() + "\n"


def test_encodings_are_compared_by_their_words() -> None:
    offsets = np.array([0, 2, 3, 3])
    first = np.array([0, 1, 2], np.int32)
    ours, theirs = ["a", "b", "c"], ["c", "a", "b"]
    same = np.array([1, 2, 0], np.int32)
    assert tokens.differing((first, same), (offsets, offsets), (ours, theirs)) == 0
    assert tokens.differing((first, first), (offsets, offsets), (ours, theirs)) == 2
    assert tokens.differing((first, first), (offsets, offsets), (ours, ["a", "b", "x"])) == 1
    shifted = np.array([0, 1, 2, 3])
    assert tokens.differing((first, first), (offsets, shifted), (ours, ours)) == 3


def test_repeated_reviews_are_the_reviews_again(tmp_path: Path) -> None:
    table = pa.table({"text": ["a", "b"]}).replace_schema_metadata({"data": "made up"})
    growth.repeat(table, 3, tmp_path / "many.parquet")
    many = pq.read_table(tmp_path / "many.parquet")
    assert many["text"].to_pylist() == ["a", "b"] * 3
    assert many.schema.metadata[b"data"] == b"made up"


def test_growth_is_told_by_its_exponent_and_drawn(tmp_path: Path) -> None:
    assert growth.slope({1: 5.0, 4: 10.0, 16: 160.0}) == pytest.approx(2)
    runs = {"a stage": {n: common.Run(2.0 * n, 2**20, "") for n in (1, 4, 16)}}
    assert growth.rows(runs) == [
        ["a stage: time", "2.0 s", "8.0 s", "32.0 s", "1.00"],
        ["a stage: peak memory", "1 MiB", "1 MiB", "1 MiB", "0.00"],
    ]
    growth.draw(runs, 10, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").stat().st_size > 1_000


def test_many_reviews_on_paper_are_the_last_step_drawn_on() -> None:
    assert growth.extrapolated({1: 7.0, 3: 10.0, 10: 24.0}, 100) == pytest.approx(24 + 2 * 90)
    gib = 2**30
    runs = {
        "even": {n: common.Run(36.0 * n, gib, "") for n in (1, 3, 10)},
        "steep": {n: common.Run(36.0 * n, gib * (2 + n), "") for n in (1, 3, 10)},
    }
    words = growth.Words(reviews=100_000, distinct=10, exponent=0.5, memory=100.0)
    text = "\n".join(growth.paper(runs, {"a file": 10**9}, words))
    assert "| even | 10.0 h | 1.0 GiB |  |" in text
    assert "| steep | 10.0 h | 1,002.0 GiB | 1.4 million |" in text
    assert "| a file | 1,000 | 93 GiB |" in text
    assert "the first to want more than 16 GiB is: steep." in text


def test_words_are_counted_as_they_first_occur(tmp_path: Path) -> None:
    index = pd.DataFrame({"id": ["0", "1"], "split": "train", "film": "", "stars": 0, "label": 1})
    write_reviews(
        [index.assign(text=["one two one two", "three four one one " * 3])],
        "made up",
        tmp_path / "r.parquet",
    )
    tokenize_file(tmp_path / "r.parquet", tmp_path / "tokens", 1)
    words = growth.words_of(tmp_path / "tokens")
    assert (words.reviews, words.distinct) == (2, 4)
    assert words.exponent == pytest.approx(0.5)
    assert words.memory > 40


def test_a_table_of_ones_own_is_made_of_reviews(tmp_path: Path) -> None:
    columns = {
        "text": ["a, b", "c", "d"],
        "label": [1, -1, 0],
        "split": ["train", "unlabelled", "test"],
    }
    pq.write_table(pa.table(columns), tmp_path / "reviews.parquet")
    growth.own_table(tmp_path / "reviews.parquet", tmp_path / "own.csv")
    table = pd.read_csv(tmp_path / "own.csv", dtype=str, keep_default_na=False)
    assert table.to_dict("list") == columns | {"label": ["1", "", "0"]}


def test_its_parameters_are_parameters(tmp_path: Path) -> None:
    growth.parameters(ROOT / "params.yaml", tmp_path / "params.yaml")
    settings = params.load(tmp_path / "params.yaml", "imdb", Imdb)
    assert (settings.seeds, settings.validation, settings.mean.epochs) == ([1], 0, 1)
    assert settings.source == str(tmp_path / "own.csv")
    assert settings.vocabulary == SETTINGS.vocabulary


def test_turns_are_taken_and_warm_ups_do_not_count() -> None:
    taken: list[str] = []

    def turn(name: str) -> int:
        taken.append(name)
        return len(taken)

    contenders = {name: partial(turn, name) for name in "ab"}
    assert common.take_turns(contenders, 2, warm_ups=1) == {"a": [3, 5], "b": [4, 6]}
    assert taken == list("ababab")
    assert common.ratio([2, 30, 4, 5], [1, 10, 1]) == 3


def test_what_is_watched_counts_with_its_children() -> None:
    hold = "import sys, time; x = bytearray(b'1' * {}_000_000); time.sleep(3)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold.format(80)!r}])"
    done = common.watched([sys.executable, "-c", f"{code}; print('done')"])
    assert done.output == "done\n"
    assert done.memory > 80_000_000


def test_a_contender_that_fails_says_why() -> None:
    code = "import sys; print('no room', file=sys.stderr); sys.exit(3)"
    with pytest.raises(common.MissingError, match="ended with 3: no room"):
        common.watched([sys.executable, "-c", code])
    worker = common.Worker([sys.executable, "-c", "raise SystemExit('no room')"])
    with common.ended([worker]):
        worker.tell(seconds=1)
        with pytest.raises(common.MissingError, match="no room"):
            worker.answer()


def test_a_worker_answers_in_lines_of_json() -> None:
    echo = (
        "import json, sys\nfor line in sys.stdin: print(json.dumps([json.loads(line)]), flush=True)"
    )
    worker = common.Worker([sys.executable, "-c", echo])
    with common.ended([worker]):
        worker.tell(seconds=2)
        assert worker.answer() == [{"seconds": 2}]


def test_a_table_in_markdown() -> None:
    assert common.table(["a", "b"], [["1", "2"], ["left out"]]) == [
        "| a | b |", "| --- | ---: |", "| 1 | 2 |", "| left out |  |", "",
    ]  # fmt: skip


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("requirements-*.txt")))
def test_every_package_of_a_contender_is_pinned(path: Path) -> None:
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    assert lines
    for line in lines:
        package = line.partition("==")[0]
        assert common.pinned(path.stem.partition("-")[2], package) == line.replace("==", " ")


def test_the_answers_survive_json(data: turns.Data) -> None:
    answer = turns.Turns(Improving(), data).speed(seconds=0.0)
    assert json.loads(json.dumps(answer)) == answer
    assert answer["tokens"] >= 10
