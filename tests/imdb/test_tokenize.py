"""The tokenizer and the format in which reviews are handed on."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.common.errors import StageError
from stages.imdb.download import write_reviews
from stages.imdb.reviews import Reviews, load, save, split_by_film
from stages.imdb.tokenize import tokenize_all, tokenize_file
from stages.imdb.tokenizer import TOKEN, tokenize
from stages.imdb.vocabulary import UNKNOWN, restrict, unknown_rate


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


def test_a_file_is_the_same_whatever_the_number_of_processes(tmp_path: Path) -> None:
    texts = [f"word{i % 97} and word{i % 31} ." for i in range(12_000)]  # three row groups
    write_reviews([table(texts)], "made up", tmp_path / "r.parquet")
    one, two = (tokenize_file(tmp_path / "r.parquet", processes) for processes in (1, 2))
    assert one.words == two.words
    assert np.array_equal(one.ids, two.ids)
    assert [one.words[i] for i in one[11_999]] == tokenize(texts[-1])

    save(one, tmp_path / "tokens")
    again = load(tmp_path / "tokens")
    assert again.data == "made up"
    assert again.words == one.words
    assert np.array_equal(again[5], one[5])
    assert list(again.index["id"]) == list(one.index["id"])


@pytest.mark.parametrize("damage", ["missing", "cut", "other"])
def test_a_damaged_folder_is_named(tmp_path: Path, damage: str) -> None:
    words, ids, lengths = tokenize_all(["a b c", "d"])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    index = table(["", ""]).drop(columns="text")
    save(Reviews(words, ids, offsets, index, "made up"), tmp_path / "tokens")
    path = tmp_path / "tokens" / "ids.npy"
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:100])
    else:
        np.save(path, np.zeros(3, np.int32))
    with pytest.raises(StageError, match="tokens"):
        load(tmp_path / "tokens")


def small() -> Reviews:
    texts = ["a a a b b", "a b c", "rare c test", "a d d d d d d"]
    words, ids, lengths = tokenize_all(texts)
    index = table(texts, ["train", "unlabelled", "train", "test"]).drop(columns="text")
    return Reviews(words, ids, np.concatenate([[0], np.cumsum(lengths)]), index, "made up")


def test_the_vocabulary_holds_the_most_frequent_words_and_none_of_the_test_reviews() -> None:
    reviews = restrict(small(), size=10, min_count=2)
    assert reviews.words == ["<pad>", "<unk>", "a", "b", "c"]  # d is frequent, but in the test only
    assert list(reviews[3]) == [2] + [UNKNOWN] * 6
    assert unknown_rate(reviews, "test") == pytest.approx(6 / 7)
    assert restrict(small(), size=3, min_count=1).words == ["<pad>", "<unk>", "a"]


def test_a_vocabulary_without_a_word_is_refused() -> None:
    with pytest.raises(StageError, match=r"imdb\.vocabulary\.min_count = 99"):
        restrict(small(), size=10, min_count=99)


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
