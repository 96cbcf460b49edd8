"""Texts of one's own, in a table."""

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from stages.common.errors import StageError
from stages.imdb import download, own
from stages.imdb.download import write_reviews

TEXTS = [f"text number {i}, NA" for i in range(100)]
LABELS = ["Good", "neg", "1", "0", ""] * 20


def read_own(path: Path) -> tuple[pd.DataFrame, str]:
    parts, data, _ = own.read_own(path)
    return pd.concat(parts, ignore_index=True), data


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame({"text": TEXTS, "label": LABELS, "more": 1})


def written(table: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False)
    return path


def test_a_fifth_of_either_label_is_held_out_and_the_rest_kept(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    reviews, data = read_own(written(table, tmp_path / "mine.csv"))
    assert data == "mine.csv, held-out fifth"
    counts = reviews.groupby(["split", "label"]).size().to_dict()
    assert counts == {
        ("test", 0): 8, ("test", 1): 8, ("train", 0): 32, ("train", 1): 32, ("unlabelled", -1): 20,
    }  # fmt: skip
    assert sorted(reviews["text"]) == sorted(TEXTS)
    numbers = {"Good": 1, "1": 1, "neg": 0, "0": 0, "": -1}
    right = {text: numbers[label] for text, label in zip(TEXTS, LABELS, strict=True)}
    assert dict(zip(reviews["text"], reviews["label"], strict=True)) == right


@pytest.mark.parametrize(
    "labels",
    [
        pd.Series([1, 0] * 50),
        pd.Series([True, False] * 50).map({True: "Positive", False: " negative "}),
        pd.Series([1.0, 0.0] * 50),
    ],
)
def test_a_parquet_file_gives_the_same(
    table: pd.DataFrame, tmp_path: Path, labels: pd.Series
) -> None:
    table["label"] = labels
    reviews, _ = read_own(written(table, tmp_path / "mine.parquet"))
    again, _ = read_own(written(table, tmp_path / "mine.csv"))
    pd.testing.assert_frame_equal(reviews, again)
    assert set(reviews["label"]) == {0, 1}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_read_in_parts_is_the_whole(
    table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    path = written(table, tmp_path / f"mine{suffix}")
    reviews, _ = read_own(path)
    write_reviews([reviews], "made up", tmp_path / "whole.parquet")
    monkeypatch.setattr(own, "ROWS", 7)
    monkeypatch.setattr(download, "GROUP", 11)
    parts, _, _ = own.read_own(path)
    counts = write_reviews(parts, "made up", tmp_path / "parts.parquet")
    assert counts == {"train": 64, "unlabelled": 20, "test": 16}
    assert pq.read_table(tmp_path / "parts.parquet") == pq.read_table(tmp_path / "whole.parquet")
    groups = pq.ParquetFile(tmp_path / "parts.parquet").metadata
    assert [groups.row_group(i).num_rows for i in range(10)] == [11] * 9 + [1]
    assert max(len(part) for part in own.read_own(path)[0]) <= 7


def test_a_split_that_is_given_is_kept(table: pd.DataFrame, tmp_path: Path) -> None:
    table["split"] = ["train", "test", "test", "train", "unlabelled"] * 20
    reviews, data = read_own(written(table, tmp_path / "mine.csv"))
    assert data == "mine.csv"
    given = dict(zip(table["text"], table["split"], strict=True))
    assert dict(zip(reviews["text"], reviews["split"], strict=True)) == given


def test_labels_of_another_kind_are_classes_by_their_own_names(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    table["label"] = ["10", "9", " Two ", "9", ""] * 20
    path = written(table, tmp_path / "mine.csv")
    reviews, _ = read_own(path)
    assert own.read_own(path)[2] == ("9", "10", "two")
    assert reviews.groupby(["split", "label"]).size().to_dict() == {
        ("test", 0): 8, ("test", 1): 4, ("test", 2): 4,
        ("train", 0): 32, ("train", 1): 16, ("train", 2): 16, ("unlabelled", -1): 20,
    }  # fmt: skip
    numbers = {"9": 0, "10": 1, " Two ": 2, "": -1}
    right = {text: numbers[label] for text, label in zip(TEXTS, table["label"], strict=True)}
    assert dict(zip(reviews["text"], reviews["label"], strict=True)) == right


def spoil(table: pd.DataFrame, column: str, rows: list[int], value: object) -> pd.DataFrame:
    table = table.astype(object)
    table.loc[rows, column] = value
    return table


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="label"), "no column 'label'; its columns are text, more"),
        (lambda t: t.iloc[:0], "0 texts labelled 'bad' in the table of 0 labelled rows"),
        (lambda t: spoil(t, "text", [4, 6], " -"), "no word in the rows 5, 7; remove them"),
        (lambda t: spoil(t, "label", [1], "so so"), "1 texts labelled 'so so' in the table of 80"),
        (
            lambda t: t.assign(label=[f"no. {i}" for i in range(100)]),
            "1 texts labelled 'no. 0' in the table of 100",
        ),
        (
            lambda t: pd.concat([t, t]).assign(label=[f"no. {i}" for i in range(200)]),
            "more than 100 different labels: 'no. 0', 'no. 1', 'no. 10', 'no. 100', 'no. 101' and",
        ),
        (lambda t: t.assign(label="pos"), "0 texts labelled 'bad' in the table of 100 labelled"),
        (
            lambda t: t.assign(label="so so"),
            "all are labelled 'so so'; at least two",
        ),
        (lambda t: spoil(t, "label", [1], "\x1b[31m"), r"cannot be printed: '\x1b[31m'; rename"),
        (lambda t: t.assign(split="valid"), "unknown splits: 'valid'; they are train, test"),
        (lambda t: t.assign(split="train"), "rows of the split 'train' without a label"),
        (
            lambda t: t[t["label"] != ""].assign(split="train"),
            "0 texts labelled 'bad' in the",
        ),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_is_wrong_with_a_table_is_named(
    table: pd.DataFrame, tmp_path: Path, change: object, message: str, suffix: str
) -> None:
    assert callable(change)
    path = written(change(table), tmp_path / f"mine{suffix}")
    with pytest.raises(StageError) as error:
        read_own(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


@pytest.mark.parametrize("rows", ["A film, the best,good\n", "A film,good,\nAnother,bad,\n"])
def test_rows_that_are_longer_than_the_header_are_told(tmp_path: Path, rows: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("text,label\n" + rows, "utf-8")
    with pytest.raises(StageError, match="more values than the header"):
        read_own(path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00text,label\n", b'text,label\n"a,1\n'])
def test_a_file_that_is_no_table_is_told(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"mine{suffix}"
    path.write_bytes(content)
    with pytest.raises(StageError, match="mine"):
        read_own(path)
    with pytest.raises(StageError, match="no such file; correct it in params.yaml"):
        read_own(tmp_path / f"other{suffix}")
