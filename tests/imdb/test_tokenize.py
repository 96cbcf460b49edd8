"""The tokenizer, the format of the corpus, and the vocabulary."""

import tracemalloc
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.common.errors import UserError
from stages.imdb.corpus import corpus as corpus_module
from stages.imdb.corpus.corpus import (
    UNK,
    Corpus,
    group_train_val_split,
    load_corpus,
    write_ids,
)
from stages.imdb.corpus.tokenizer import TOKEN_PATTERN, tokenize
from stages.imdb.download.main import write_reviews
from stages.imdb.preprocess.tokenize import numericalize, tokenize_file
from stages.imdb.preprocess.vocabulary import apply_vocab, build_vocab, oov_rate


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
        (
            "<b>Isn\u2019t</b> it<br>great&nbsp;&amp; 1 &lt; 2 <BR/>5<6",
            ["isn't", "it", "great", *"1256"],
        ),
        (
            "wasn&#39;t wasn&#39t wasn&rsquo;t won\u02bct don\u00b4t",
            ["wasn't"] * 3 + ["won't", "don't"],
        ),
        ("&amp;lt;b&amp;gt; &lt;i&gt;", ["lt", "b", "gt", "i"]),  # decoded once
        ("AT&T Q&A this&that &unknown; a<b", ["at", *"tqa", "this", "that", "unknown", *"ab"]),
        (f"a&#{'9' * 5_000};b &#x{'f' * 5_000};c &#0;d", [*"abcd"]),
        ('a<!-- <b> -->b <a href="x">c</a > <3 d', [*"abc", "3", "d"]),
        (
            "\u0130STANBUL I\u0307yi na\u00efve nai\u0308ve",
            ["istanbul", "iyi", "na\u00efve", "na\u00efve"],
        ),
        ("\u0130yi i\u0307yi \u0130Y\u0130", ["iyi", "iyi", "iyi"]),
        ("won\x92t \x93fine\x94 \x8ei\x9eek a\x96b\x81\x85", ["won't", "fine", "žižek", *"ab"]),
        ("हिन्दी फिल्म! किताब", ["हिन्दी", "फिल्म", "!", "किताब"]),
        ("หนัง เรื่อง นี้", ["หนัง", "เรื่อง", "นี้"]),
        ("الفِيلْمُ سَيِّئٌ", ["الفِيلْمُ", "سَيِّئٌ"]),
        ("so\u00adft می\u200cخواهم \u0301a", ["soft", "میخواهم", "a"]),  # invisible characters
        ("f\u202ai\u2066l\ufeffm a\u200bb", ["film", "a", "b"]),  # U+200B ends a word
    ],
)
def test_a_text_is_split_into_words(text: str, tokens: list[str]) -> None:
    assert tokenize(text) == tokens


@given(st.text())
def test_tokens_are_printable_and_stay_the_same_if_tokenized_again(text: str) -> None:
    tokens = tokenize(text)
    for token in tokens:
        assert TOKEN_PATTERN.fullmatch(token)
        assert not any(c.isspace() or not c.isprintable() for c in token)
    assert tokenize(" ".join(tokens)) == tokens


@given(st.text() | st.text("aeiIİıßΣσςHhJj'’<>&;#1 \u0301\u0307\u0323\u0331\u0338\u094d\u200dकि각"))
def test_canonically_equivalent_texts_have_the_same_tokens(text: str) -> None:
    tokens = tokenize(text)
    for form in ("NFC", "NFD"):
        assert tokenize(unicodedata.normalize(form, text)) == tokens
    assert all(unicodedata.is_normalized("NFC", token) for token in tokens)


@given(st.lists(st.text()))
def test_the_ids_give_back_the_tokens(texts: list[str]) -> None:
    words, ids, lengths = numericalize(texts)
    assert len(set(words)) == len(words)
    ends = np.cumsum(lengths)
    decoded = [[words[i] for i in ids[end - n : end]] for end, n in zip(ends, lengths, strict=True)]
    assert decoded == [tokenize(text) for text in texts]


def table(texts: list[str], splits: list[str] | None = None) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": [f"r{i}" for i in range(len(texts))],
            "split": splits or ["train"] * len(texts),
            "group": [f"tt{i // 3}" for i in range(len(texts))],
            "stars": 1,
            "label": [i % 2 for i in range(len(texts))],
            "text": texts,
        }
    )


def tokenized(texts: list[str], folder: Path, splits: list[str] | None = None) -> Corpus:
    """Tokenize texts into the folder `tokens`."""
    write_reviews([table(texts, splits)], "made up", folder / "r.parquet")
    return tokenize_file(folder / "r.parquet", folder / "tokens", 1)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_corpus_does_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    texts = [f"word{i % 97} and word{i % 31} ." for i in range(12_000)]  # three row groups
    corpus = tokenized(texts, tmp_path)
    tokenize_file(tmp_path / "r.parquet", tmp_path / "two", 2)
    assert contents(tmp_path / "two") == contents(tmp_path / "tokens")

    words, ids, lengths = numericalize(texts)
    assert corpus.vocab == words
    assert np.array_equal(corpus.ids, ids)
    assert np.array_equal(corpus.lengths, lengths)
    assert [corpus.vocab[i] for i in corpus[11_999]] == tokenize(texts[-1])
    assert corpus.data_name == "made up"
    expected = table(texts).drop(columns="text")
    pd.testing.assert_frame_equal(corpus.metadata.astype(expected.dtypes), expected)


@pytest.mark.parametrize("damage", ["missing", "truncated", "one byte short", "another length"])
def test_a_damaged_corpus_is_named(tmp_path: Path, damage: str) -> None:
    tokenized(["a b c", "d"], tmp_path)
    path = tmp_path / "tokens" / "ids.npy"
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:100])
    elif damage == "one byte short":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        np.save(path, np.zeros(3, np.int32))
    with pytest.raises(UserError, match=f"{tmp_path}/tokens: .*run dvc repro"):
        load_corpus(tmp_path / "tokens")


def test_a_table_without_reviews_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"r\.parquet: no reviews"):
        tokenized([], tmp_path)


@pytest.mark.parametrize("block", [1, 3, 10_000])
def test_the_size_of_the_blocks_does_not_change_the_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    texts = ["a a b", "", "b c", "", "d", "a c c c", "e", "f a"]
    tokenized(texts, tmp_path, ["train", "test"] * 4)
    whole = apply_vocab(tmp_path / "tokens", tmp_path / "whole", 10, 1)
    monkeypatch.setattr(corpus_module, "BLOCK_REVIEWS", block)
    monkeypatch.setattr(corpus_module, "METADATA_ROW_GROUP", block)
    tokens = tokenize_file(tmp_path / "r.parquet", tmp_path / "tokens", 1)
    assert [tokens.vocab[i] for i in tokens.ids] == tokenize(" ".join(texts))
    assert tokens.word_counts(np.array([2, 5])).tolist() == [1, 1, 4, 0, 0, 0]
    blocks = list(tokens.iter_blocks())
    assert np.array_equal(np.concatenate([np.array(ids) for _, ids in blocks]), tokens.ids)
    assert [i for rows, _ in blocks for i in range(len(texts))[rows]] == list(range(len(texts)))
    corpus = apply_vocab(tmp_path / "tokens", tmp_path / "corpus", 10, 1)
    for name in ("vocab.txt", "ids.npy", "offsets.npy"):
        assert contents(tmp_path / "corpus")[name] == contents(tmp_path / "whole")[name]
    pd.testing.assert_frame_equal(corpus.metadata, whole.metadata)


def test_written_ids_do_not_stay_in_memory(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        write_ids((np.zeros(100_000, np.int32) for _ in range(100)), tmp_path)  # 40 MB
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


SMALL = ["a a a b b", "a b c", "rare c test", "a d d d d d d"]
SMALL_SPLITS = ["train", "unlabelled", "train", "test"]


def test_the_vocabulary_has_the_most_frequent_words_but_none_of_the_test_reviews(
    tmp_path: Path,
) -> None:
    tokens = tokenized(SMALL, tmp_path, SMALL_SPLITS)
    corpus = apply_vocab(tmp_path / "tokens", tmp_path / "corpus", size=10, min_count=2)
    assert corpus.vocab == ["<pad>", "<unk>", "a", "b", "c"]  # d is frequent in the test only
    assert list(corpus[3]) == [2] + [UNK] * 6
    assert oov_rate(corpus, "test") == pytest.approx(6 / 7)
    assert build_vocab(tokens, size=3, min_count=1)[0] == ["<pad>", "<unk>", "a"]


def test_too_high_a_minimum_count_is_named(tmp_path: Path) -> None:
    tokenized(SMALL, tmp_path, SMALL_SPLITS)
    with pytest.raises(UserError, match=r"imdb\.vocabulary\.min_count = 99"):
        apply_vocab(tmp_path / "tokens", tmp_path / "corpus", size=10, min_count=99)
    assert not (tmp_path / "corpus").exists()


def split_table(labels: list[int], groups: list[str] | str = "") -> pd.DataFrame:
    return pd.DataFrame({"split": "train", "group": groups, "label": labels})


def test_without_groups_the_same_fraction_of_each_class_is_held_out() -> None:
    metadata = split_table([0] * 140 + [1] * 60)
    metadata.loc[::10, "split"] = "test"
    train_indices, val_indices = group_train_val_split(metadata, 0.05)
    assert np.bincount(metadata["label"][val_indices]).tolist() == [6, 3]  # of 126 and 54
    assert sorted([*train_indices, *val_indices]) == list(np.flatnonzero(np.arange(200) % 10))
    again = group_train_val_split(metadata.assign(group=metadata["group"].astype("category")), 0.05)
    assert np.array_equal(again[1], val_indices)


@pytest.mark.parametrize(
    ("labels", "groups", "fraction"),
    [
        ([0, 1] * 8, "", 0.05),  # too few rows
        ([0, 1] * 50, "one film", 0.05),
        ([0] * 50 + [1] * 50, ["a"] * 50 + ["b"] * 50, 0.5),  # a whole class
        ([0, 1] * 50, "", 0),
    ],
)
def test_if_a_validation_set_is_impossible_every_review_is_trained_on(
    capsys: pytest.CaptureFixture[str], labels: list[int], groups: list[str] | str, fraction: float
) -> None:
    train_indices, val_indices = group_train_val_split(split_table(labels, groups), fraction)
    assert (train_indices.tolist(), len(val_indices)) == (list(range(len(labels))), 0)
    assert ("no review is held out" in capsys.readouterr().err) == (fraction > 0)


@settings(max_examples=20)
@given(st.integers(20, 200), st.sampled_from([0.1, 0.3, 0.5]), st.booleans())
def test_the_reviews_of_a_group_stay_together(count: int, fraction: float, known: bool) -> None:
    metadata = table([""] * count)
    if not known:
        metadata.loc[::4, "group"] = ""  # these rows are groups of their own
    train_indices, val_indices = group_train_val_split(metadata, fraction)
    assert sorted([*train_indices, *val_indices]) == list(range(len(metadata)))
    groups = metadata["group"].to_numpy()
    assert {*groups[train_indices]} & {*groups[val_indices]} <= {""}
    assert 0 < len(val_indices) < len(metadata)
