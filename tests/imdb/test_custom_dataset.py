"""Custom data sets: tables of texts in CSV or Parquet files."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from stages.common.errors import UserError
from stages.imdb.download import custom_dataset, main
from stages.imdb.download.custom_dataset import read_custom_dataset
from stages.imdb.download.main import write_reviews

TEXTS = [f"text number {i}, NA" for i in range(100)]
LABELS = ["Good", "neg", "1", "0", ""] * 20


def read_all(path: Path) -> tuple[pd.DataFrame, str]:
    chunks, data_name, _ = read_custom_dataset(path)
    return pd.concat(chunks, ignore_index=True), data_name


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame({"text": TEXTS, "label": LABELS, "more": 1})


def written(table: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False)
    return path


def by_text(table: pd.DataFrame, column: str) -> dict[str, object]:
    return dict(zip(table["text"], table[column], strict=True))


def test_a_stratified_fifth_is_held_out_and_every_row_is_kept_in_order(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    reviews, data_name = read_all(written(table, tmp_path / "mine.csv"))
    assert data_name == "mine.csv, held-out fifth"
    assert reviews.groupby(["split", "label"]).size().to_dict() == {
        ("test", 0): 8, ("test", 1): 8, ("train", 0): 32, ("train", 1): 32, ("unlabelled", -1): 20,
    }  # fmt: skip
    assert reviews["text"].tolist() == TEXTS
    assert reviews["id"].tolist() == [str(i) for i in range(1, 101)]
    label_to_class = {"Good": 1, "1": 1, "neg": 0, "0": 0, "": -1}
    assert reviews["label"].tolist() == [label_to_class[label] for label in LABELS]


@pytest.mark.parametrize(
    "labels",
    [
        pd.Series([1, 0] * 50),
        pd.Series([True, False] * 50).map({True: "Positive", False: " negative "}),
        pd.Series([1.0, 0.0] * 50),
    ],
)
def test_csv_and_parquet_give_the_same_reviews(
    table: pd.DataFrame, tmp_path: Path, labels: pd.Series
) -> None:
    table["label"] = labels
    from_parquet, _ = read_all(written(table, tmp_path / "mine.parquet"))
    from_csv, _ = read_all(written(table, tmp_path / "mine.csv"))
    pd.testing.assert_frame_equal(from_parquet, from_csv)
    assert from_csv["label"].tolist() == [1, 0] * 50


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_size_of_the_chunks_does_not_change_the_reviews(
    table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    path = written(table, tmp_path / f"mine{suffix}")
    reviews, _ = read_all(path)
    write_reviews([reviews], "made up", tmp_path / "whole.parquet")
    monkeypatch.setattr(custom_dataset, "CHUNK_ROWS", 7)
    monkeypatch.setattr(main, "ROW_GROUP_SIZE", 11)
    chunks, _, _ = read_custom_dataset(path)
    counts = write_reviews(chunks, "made up", tmp_path / "chunks.parquet")
    assert counts == {"train": 64, "unlabelled": 20, "test": 16}
    assert pq.read_table(tmp_path / "chunks.parquet") == pq.read_table(tmp_path / "whole.parquet")
    groups = pq.ParquetFile(tmp_path / "chunks.parquet").metadata
    assert [groups.row_group(i).num_rows for i in range(10)] == [11] * 9 + [1]
    assert max(len(chunk) for chunk in read_custom_dataset(path)[0]) <= 7


def test_a_given_split_is_kept(table: pd.DataFrame, tmp_path: Path) -> None:
    table["split"] = ["train", "test", "test", "train", "unlabelled"] * 20
    reviews, data_name = read_all(written(table, tmp_path / "mine.csv"))
    assert data_name == "mine.csv"
    assert by_text(reviews, "split") == by_text(table, "split")


def test_labels_of_unlabelled_rows_are_ignored(table: pd.DataFrame, tmp_path: Path) -> None:
    table["split"] = ["train", "test", "test", "train", "unlabelled"] * 20
    table.loc[table["split"] == "unlabelled", "label"] = "good"
    reviews, _ = read_all(written(table, tmp_path / "mine.csv"))
    assert {*reviews.loc[reviews["split"] == "unlabelled", "label"]} == {-1}


def test_other_labels_are_the_names_of_the_classes(table: pd.DataFrame, tmp_path: Path) -> None:
    table["label"] = ["10", "9", " Two ", "9", ""] * 20
    path = written(table, tmp_path / "mine.csv")
    reviews, _ = read_all(path)
    assert read_custom_dataset(path)[2] == ("9", "10", "two")
    assert reviews.groupby(["split", "label"]).size().to_dict() == {
        ("test", 0): 8, ("test", 1): 4, ("test", 2): 4,
        ("train", 0): 32, ("train", 1): 16, ("train", 2): 16, ("unlabelled", -1): 20,
    }  # fmt: skip
    label_to_class = {"9": 0, "10": 1, " Two ": 2, "": -1}
    assert reviews["label"].tolist() == [label_to_class[label] for label in table["label"]]


def spoil(table: pd.DataFrame, column: str, rows: list[int], value: object) -> pd.DataFrame:
    table = table.astype(object)
    table.loc[rows, column] = value
    return table


def numbered(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(label=[f"no. {i}" for i in range(len(table))])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="label"), "no column 'label'; its columns are text, more"),
        (lambda t: t.iloc[:0], "the table has no rows"),
        (lambda t: spoil(t, "text", [4, 6], " -"), "no word in the rows 5, 7; remove them"),
        (
            lambda t: spoil(t, "label", [1], "so so"),
            "class 'so so' has 1 of the 80 labelled rows in the table; it needs at least 5",
        ),
        (
            numbered,
            "class 'no. 0' has 1 of the 100 labelled rows in the table; it needs at least 5",
        ),
        (
            lambda t: numbered(pd.concat([t, t])),
            "more than 100 different labels: 'no. 0', 'no. 1', 'no. 10', 'no. 100', 'no. 101' and",
        ),
        (lambda t: t.assign(label="pos"), "class 'bad' has 0 of the 100 labelled rows"),
        (lambda t: t.assign(label="so so"), "only one label found ('so so'); at least two"),
        (lambda t: spoil(t, "label", [1], "\x1b[31m"), r"cannot be printed: '\x1b[31m'; rename"),
        (
            lambda t: t.assign(split="valid"),
            "unknown splits: 'valid'; use train, test, unlabelled",
        ),
        (lambda t: t.assign(split="train"), "rows without a label in the split 'train'"),
        (
            lambda t: t[t["label"] != ""].assign(split="train"),
            "class 'bad' has 0 of the 0 labelled rows in the split 'test'; it needs at least 1",
        ),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_bad_table_is_refused_and_its_fault_named(
    table: pd.DataFrame,
    tmp_path: Path,
    change: Callable[[pd.DataFrame], pd.DataFrame],
    message: str,
    suffix: str,
) -> None:
    path = written(change(table), tmp_path / f"mine{suffix}")
    with pytest.raises(UserError) as error:
        read_all(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


@pytest.mark.parametrize("rows", ["A film, the best,good\n", "A film,good,\nAnother,bad,\n"])
def test_rows_that_are_longer_than_the_header_are_refused(tmp_path: Path, rows: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("text,label\n" + rows, "utf-8")
    with pytest.raises(UserError, match="more values than the header"):
        read_all(path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00text,label\n", b'text,label\n"a,1\n'])
def test_a_file_that_is_not_a_table_is_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"mine{suffix}"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a table of texts in UTF-8"):
        read_all(path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_missing_file_is_named(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(UserError, match="no such file; correct it in params.yaml"):
        read_all(tmp_path / f"mine{suffix}")
