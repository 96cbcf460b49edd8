"""The tokenizer and the format in which reviews are handed on."""

import gc
import subprocess
import sys
import tracemalloc
from array import array
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.common.errors import StageError
from stages.imdb import reviews as reviews_module
from stages.imdb.download import write_reviews
from stages.imdb.reviews import (
    Reviews,
    load,
    split_by_film,
    write_ids,
    write_offsets,
    write_words,
)
from stages.imdb.tokenize import tokenize_all, tokenize_file
from stages.imdb.tokenizer import TOKEN, tokenize
from stages.imdb.vocabulary import UNKNOWN, choose, restrict, unknown_rate
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        ("...", []),
        ("Don't!<br /><br />Stop", ["don't", "!", "stop"]),
        ("a well-made film (8/10)", ["a", "well", "made", "film", "8", "10"]),
        ("'quoted' snake_case", ["quoted", "snake", "case"]),
        ("Amélie, ÉTÉ, 東京", ["amélie", "été", "東京"]),
        ("\x1b[31mred\x1b[0m", ["31mred", "0m"]),
    ],
)
def test_words(text: str, tokens: list[str]) -> None:
    assert tokenize(text) == tokens


@given(st.text())
def test_a_token_is_a_token_again_and_holds_nothing_to_fear(text: str) -> None:
    for token in tokenize(text):
        assert TOKEN.fullmatch(token)
        assert not any(c.isspace() or not c.isprintable() for c in token)
    assert tokenize(" ".join(tokenize(text))) == tokenize(text)


@given(st.lists(st.text()))
def test_numbers_and_words_are_the_same_text(texts: list[str]) -> None:
    words, ids, lengths = tokenize_all(texts)
    assert len(set(words)) == len(words)
    ends = np.cumsum(lengths)
    again = [[words[i] for i in ids[end - n : end]] for end, n in zip(ends, lengths, strict=True)]
    assert again == [tokenize(text) for text in texts]


def table(texts: list[str], splits: list[str] | None = None) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": [f"r{i}" for i in range(len(texts))],
            "split": splits or ["train"] * len(texts),
            "film": [f"tt{i // 3}" for i in range(len(texts))],
            "stars": 1,
            "label": [i % 2 for i in range(len(texts))],
            "text": texts,
        }
    )


def tokenized(texts: list[str], folder: Path, splits: list[str] | None = None) -> Reviews:
    """The reviews in `folder / "tokens"`."""
    write_reviews([table(texts, splits)], "made up", folder / "r.parquet")
    return tokenize_file(folder / "r.parquet", folder / "tokens", 1)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_file_is_the_same_whatever_the_number_of_processes(tmp_path: Path) -> None:
    texts = [f"word{i % 97} and word{i % 31} ." for i in range(12_000)]  # three row groups
    reviews = tokenized(texts, tmp_path)
    tokenize_file(tmp_path / "r.parquet", tmp_path / "two", 2)
    assert contents(tmp_path / "two") == contents(tmp_path / "tokens")

    words, ids, lengths = tokenize_all(texts)
    assert reviews.words == words
    assert np.array_equal(reviews.ids, ids)
    assert np.array_equal(reviews.lengths, lengths)
    assert [reviews.words[i] for i in reviews[11_999]] == tokenize(texts[-1])
    assert reviews.data == "made up"
    expected = table(texts).drop(columns="text")
    pd.testing.assert_frame_equal(reviews.index.astype(expected.dtypes), expected)


@pytest.mark.parametrize("damage", ["missing", "cut", "short", "other"])
def test_a_damaged_folder_is_named(tmp_path: Path, damage: str) -> None:
    tokenized(["a b c", "d"], tmp_path)
    path = tmp_path / "tokens" / "ids.npy"
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:100])
    elif damage == "short":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        np.save(path, np.zeros(3, np.int32))
    with pytest.raises(StageError, match="tokens"):
        load(tmp_path / "tokens")


def test_what_fails_on_the_way_leaves_nothing_behind(tmp_path: Path) -> None:
    write_reviews([table(["a"] * 5_001)], "made up", tmp_path / "r.parquet")
    content = bytearray((tmp_path / "r.parquet").read_bytes())
    text = pq.ParquetFile(tmp_path / "r.parquet").metadata.row_group(1).column(5)
    start = text.dictionary_page_offset
    content[start : start + 8] = bytes(8)
    (tmp_path / "r.parquet").write_bytes(content)
    with pytest.raises((OSError, ValueError)):
        tokenize_file(tmp_path / "r.parquet", tmp_path / "tokens", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["r.parquet"]


def test_ids_in_blocks_are_the_file_that_numpy_writes(tmp_path: Path) -> None:
    blocks = [np.arange(5, dtype=np.int32), np.empty(0, np.int32), np.arange(9, dtype=np.int32)]
    write_ids(iter(blocks), tmp_path)
    np.save(tmp_path / "whole.npy", np.concatenate(blocks))
    assert (tmp_path / "ids.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


@pytest.mark.parametrize("block", [1, 3, 10_000])
def test_blocks_are_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    texts = ["a a b", "", "b c", "", "d", "a c c c", "e", "f a"]
    tokenized(texts, tmp_path, ["train", "test"] * 4)
    restrict(tmp_path / "tokens", tmp_path / "whole", 10, 1)
    monkeypatch.setattr(reviews_module, "BLOCK", block)
    monkeypatch.setattr(reviews_module, "INDEX_ROWS", block)
    again = tokenize_file(tmp_path / "r.parquet", tmp_path / "again", 1)
    assert [again.words[i] for i in again.ids] == tokenize(" ".join(texts))
    assert again.counts(np.array([2, 5])).tolist() == [1, 1, 4, 0, 0, 0]
    walked = list(again.blocks())
    assert np.array_equal(np.concatenate([np.array(ids) for _, ids in walked]), again.ids)
    assert [i for some, _ in walked for i in range(len(texts))[some]] == list(range(len(texts)))
    known = restrict(tmp_path / "again", tmp_path / "known", 10, 1)
    for name in ("words.txt", "ids.npy", "offsets.npy"):
        assert contents(tmp_path / "known")[name] == contents(tmp_path / "whole")[name]
    whole = load(tmp_path / "whole")
    pd.testing.assert_frame_equal(known.index, whole.index)


def test_ids_that_are_written_do_not_stay_in_memory(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        write_ids((np.zeros(100_000, np.int32) for _ in range(100)), tmp_path)  # 40 MB
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_the_words_of_a_group_do_not_stay_in_memory() -> None:
    texts = [f"word{i}" for i in range(10_000)]
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(5):
            tokenize_all(texts)
        assert tracemalloc.get_traced_memory()[0] < 500_000
    finally:
        tracemalloc.stop()
        gc.enable()


VOCABULARY = """
import sys
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from stages.imdb import reviews
from stages.imdb.vocabulary import restrict, unknown_rate
reviews.BLOCK = 500
folder = Path(sys.argv[1])
reviews.load(folder / "tokens")
before = getrusage(RUSAGE_SELF).ru_maxrss
unknown_rate(restrict(folder / "tokens", folder / "vocabulary", 1_000, 1), "train")
print(getrusage(RUSAGE_SELF).ru_maxrss - before)
"""


def test_the_vocabulary_takes_the_memory_of_a_block(tmp_path: Path) -> None:
    tokenized([""] * 50_000, tmp_path)
    tokens = tmp_path / "tokens"
    write_ids((np.arange(10**6, dtype=np.int32) % 500 for _ in range(50)), tokens)  # 200 MB
    write_offsets(array("q", [1_000] * 50_000), tokens)
    write_words((f"w{i}" for i in range(500)), tokens)
    done = subprocess.run(
        [sys.executable, "-c", VOCABULARY, tmp_path],
        capture_output=True, text=True, cwd=ROOT, check=True,
    )  # fmt: skip
    assert int(done.stdout) * (1 if sys.platform == "darwin" else 1_024) < 100_000_000


SMALL = ["a a a b b", "a b c", "rare c test", "a d d d d d d"]
SMALL_SPLITS = ["train", "unlabelled", "train", "test"]


def test_the_vocabulary_holds_the_most_frequent_words_and_none_of_the_test_reviews(
    tmp_path: Path,
) -> None:
    tokens = tokenized(SMALL, tmp_path, SMALL_SPLITS)
    reviews = restrict(tmp_path / "tokens", tmp_path / "vocabulary", size=10, min_count=2)
    assert reviews.words == ["<pad>", "<unk>", "a", "b", "c"]  # d is frequent, but in the test only
    assert list(reviews[3]) == [2] + [UNKNOWN] * 6
    assert unknown_rate(reviews, "test") == pytest.approx(6 / 7)
    assert choose(tokens, size=3, min_count=1)[0] == ["<pad>", "<unk>", "a"]


def test_a_vocabulary_without_a_word_is_refused(tmp_path: Path) -> None:
    tokenized(SMALL, tmp_path, SMALL_SPLITS)
    with pytest.raises(StageError, match=r"imdb\.vocabulary\.min_count = 99"):
        restrict(tmp_path / "tokens", tmp_path / "vocabulary", size=10, min_count=99)
    assert not (tmp_path / "vocabulary").exists()


@pytest.mark.parametrize("reviews", [30, 100])  # one run of neighbours, or one of each class
def test_so_few_reviews_that_a_class_would_be_held_out_are_refused(reviews: int) -> None:
    labels = np.arange(reviews) * 2 // reviews
    index = pd.DataFrame({"split": "train", "film": "", "label": labels})
    with pytest.raises(StageError, match=r"imdb\.validation = 0\.05: .* set it to 0"):
        split_by_film(index, 0.05)
    train, held_out = split_by_film(index, 0)
    assert (len(train), len(held_out)) == (reviews, 0)


@settings(max_examples=20)
@given(st.integers(20, 200), st.sampled_from([0.1, 0.3, 0.5]), st.booleans())
def test_a_films_reviews_stay_together(count: int, fraction: float, films_known: bool) -> None:
    index = table([""] * count).drop(columns="text")
    if not films_known:
        index = table([""] * (50 * count)).drop(columns="text").assign(film="")
    zero = np.zeros(len(index) + 1, np.int64)
    reviews = Reviews(["a"], np.zeros(0, np.int32), zero, index, "made up")
    train, validation = split_by_film(reviews.index, fraction)
    assert sorted([*train, *validation]) == list(range(len(index)))
    films = index["film"].to_numpy() if films_known else np.arange(len(index)) // 50
    assert not set(films[train]) & set(films[validation])
    assert 0 < len(validation) < len(index)
