"""Custom data sets: tables of texts in CSV or Parquet files."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter, ValidationError

from stages.common.errors import UserError
from stages.imdb.corpus.params import Source
from stages.imdb.download import main, tables
from stages.imdb.download.custom_dataset import read_custom_dataset, to_classes
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
    """Write a table in the format of the suffix."""
    name = path.name.lower()
    if name.endswith((".parquet", ".pq")):
        table.to_parquet(path)
    elif name.endswith((".jsonl", ".jsonl.gz")):
        table.to_json(path, orient="records", lines=True)
    else:
        table.to_csv(path, index=False, sep="\t" if name.endswith(".tsv") else ",")
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


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_size_of_the_chunks_does_not_change_the_reviews(
    table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    path = written(table, tmp_path / f"mine{suffix}")
    reviews, _ = read_all(path)
    write_reviews([reviews], "made up", tmp_path / "whole.parquet")
    monkeypatch.setattr(tables, "CHUNK_ROWS", 7)
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
    assert read_custom_dataset(path)[2] == ("9", "10", "Two")
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
        (lambda t: t.assign(label="null"), "no row has a label; correct the column 'label'"),
        (lambda t: spoil(t, "text", [2], "a\0b"), "a NUL byte in row 3; remove it"),
        (lambda t: spoil(t, "text", [2], "&nbsp;<br>"), "no word in the rows 3; remove them"),
        (lambda t: t.assign(Text=1), "more than one column 'text'; rename all but one"),
        (lambda t: t.assign(label="so so"), "only one label found ('so so'); at least two"),
        (lambda t: spoil(t, "label", [1], "\x1b[31m"), r"cannot be printed: '\x1b[31m'; rename"),
        (
            lambda t: t.assign(split="spare"),
            "unknown splits: 'spare'; use train, test, unlabelled",
        ),
        (
            lambda t: t.assign(split=["train", "test"] * 50),
            "10 rows without a label in the split 'test'; label them",
        ),
        (
            lambda t: t[t["label"] != ""].assign(split="train"),
            "class 'bad' has 0 of the 0 labelled rows in the split 'test'; it needs at least 1",
        ),
    ],
)
def test_a_bad_table_is_refused_and_its_fault_named(
    table: pd.DataFrame,
    tmp_path: Path,
    change: Callable[[pd.DataFrame], pd.DataFrame],
    message: str,
) -> None:
    path = written(change(table), tmp_path / "mine.csv")
    with pytest.raises(UserError) as error:
        read_all(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


CUT_GZIP = gzip.compress(b"text,label\n" * 99, mtime=0)[:-9]  # no time: it is in a test's id
ROWS = "".join(f"text {i},{i % 2}\n" for i in range(20))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,label\nA film, the best,good\n", "row 1, which starts in line 2, has 3"),
        ("a.csv", "text,label\nA film,good,\n", "has 3 values, but the header has 2; put texts"),
        ("a.csv", "text,label\nA film,good\n\nA\nfilm,bad\n", "row 2, which starts in line 4,"),
        ("a.csv", f'text,label\n{ROWS}"stray,1\n{ROWS}', "quotation mark is wrong in row 21"),
        ("a.csv", f'text,label\n"stray,1\n{ROWS}a "quoted" film,1\n', "in row 1, which starts in"),
        (
            "a.csv",
            f'text,label\n{ROWS}"stray,1\n{ROWS}a film",1\n{ROWS}',
            "the text of row 21, which starts in line 22, contains 21 lines that look like rows",
        ),
        (
            "a.tsv",
            'label\ttext\n1\ta\n1\t"stray\n1\tb\n1\tc\n1\td"\n',
            "the text of row 2, which starts in line 3, contains 3 lines that look like rows",
        ),
        (
            "a.csv",
            'label,text\n1,"stray\n0,b\n1,c"\n0,x\n1,y\n',
            "the text of row 1, which starts in line 2, contains 2 lines that look like rows",
        ),
        ("a.csv", '\n"text" ; "label"\n"a" ; 1\n', "wrong in row 1, which starts in line 3"),
        ("a.csv", "text,label\ncaf\xe9,1\n".encode("latin-1"), "not in UTF-8 (byte 0xe9)"),
        ("a.csv", gzip.compress(b"text,label", mtime=0), "compressed; unpack it, or end the name"),
        ("a.tsv", b"PK\x03\x04more", "compressed; unpack it, or end the name of a gzip"),
        ("a.jsonl", '{"text": "caf\xe9"}\n'.encode("latin-1"), "not in UTF-8 (byte 0xe9)"),
        ("a.csv", "text,label\n".encode("utf-16"), "in UTF-16; save it as UTF-8"),
        ("a.tsv", "text\tlabel\n".encode("utf-16-le"), "in UTF-16; save it as UTF-8"),
        ("a.csv", b"", "no column 'text'; its columns are none"),
        ("a.csv.gz", gzip.compress(b"", mtime=0), "no column 'text'; its columns are none"),
        ("a.csv", f"sep=,\ntext,label\n{ROWS}", "the first line, 'sep=,', is no header; remove"),
        ("a.csv.gz", b"text,label\n", "damaged, or not the format of its suffix (Not a gzipped"),
        ("a.csv.gz", CUT_GZIP, "damaged, or not the format of its"),
        ("a.parquet", b"text,label\n", "damaged, or not the format of its suffix (Parquet magic"),
        ("a.csv", "version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS, not the"),
        ("a.parquet", "version https://git-lfs.github.com/spec/v1\n", "run git lfs pull"),
        ("a.jsonl", '{"text": "a", "label": 1}\n{"text"\n', "line 2 is not JSON"),
        ("a.jsonl", r'{"text": "\ud83d", "label": 1}', r"half a surrogate pair, such as \ud83d"),
        ("a.jsonl", "[1]\n", "line 1 is not a JSON object"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused_and_the_place_named(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as error:
        read_all(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


@pytest.mark.parametrize(
    "name",
    ["A.CSV", "a.tsv", "a.csv.gz", "a.jsonl.gz", "a.pq", "A.PARQUET", "a.jsonl.csv", "a.tsv.csv"],
)
def test_every_format_gives_the_same_reviews(
    table: pd.DataFrame, tmp_path: Path, name: str
) -> None:
    table["label"] = table["label"].replace("", None)
    table["text"] = [f'"{i}" said,\n\ttwice; \\ ""' for i in range(100)]
    expected, _ = read_all(written(table, tmp_path / "expected.csv"))
    path = written(table, tmp_path / name)
    assert TypeAdapter(Source).validate_python(str(path)) == str(path)
    pd.testing.assert_frame_equal(read_all(path)[0], expected)
    assert expected["text"].tolist() == table["text"].tolist()


def test_the_first_object_of_a_json_lines_file_may_lack_a_key(tmp_path: Path) -> None:
    groups = ["", *(f"film {i // 4}" for i in range(1, 40))]
    rows = [{"text": "good", "label": i % 2, "group": group} for i, group in enumerate(groups)]
    del rows[0]["group"]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    assert read_all(tmp_path / "a.jsonl")[0]["group"].tolist() == groups


def test_the_parquet_files_of_a_directory_are_one_table(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    folder = tmp_path / "spark.parquet"
    folder.mkdir()
    with pytest.raises(UserError, match="a directory without Parquet files"):
        read_all(folder)
    (folder / "_SUCCESS").touch()
    (folder / "_temporary").mkdir()
    for name, part in [
        ("part-1.parquet", table[60:]),
        ("part-0.parquet", table[:60]),
        ("_temporary/part-0.parquet", table),  # of a failed job
    ]:
        part.to_parquet(folder / name)
    pd.testing.assert_frame_equal(
        read_all(folder)[0], read_all(written(table, tmp_path / "a.csv"))[0]
    )
    table.drop(columns="label").to_parquet(folder / "part-2.parquet")
    with pytest.raises(UserError, match=r"part-2\.parquet: no column 'label'"):
        read_all(folder)
    with pytest.raises(UserError, match="only Parquet files may be in a directory"):
        read_all(folder.rename(tmp_path / "folder.csv"))


@pytest.mark.parametrize(
    "content",
    [
        "text,label\n{}", "\ufefftext,label\n{}", '\ufeff"text","label"\n{}', " Text , LABEL\n{}",
        "n,text,label\n0,{}", "\n \ntext,label\n{}", '"text" , "label"\n{}',
    ],
)  # fmt: skip
def test_names_of_columns_are_found_in_spite_of_blanks_case_and_byte_order_mark(
    tmp_path: Path, content: str
) -> None:
    header, _, prefix = content.removesuffix("{}").rpartition("\n")
    rows = "".join(f"{prefix}a film, {i % 2} \n" for i in range(20))
    (tmp_path / "a.csv").write_text(f"{header}\r\n{rows}", "utf-8")
    assert read_all(tmp_path / "a.csv")[0]["label"].tolist() == [0, 1] * 10


def test_a_line_of_a_text_that_looks_like_a_row_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ROWS.replace(",0", ",5").replace(",1", ",4")
    (tmp_path / "a.csv").write_text(f'text,label\n{rows}"I say 4,5\nreally",4\n', "utf-8")
    assert len(read_all(tmp_path / "a.csv")[0]) == 21
    assert "row 21, which starts in line 22, contains 1 lines" in capsys.readouterr().err


@pytest.mark.parametrize("separator", [";", "\t"])
def test_the_separator_is_that_of_the_header(tmp_path: Path, separator: str) -> None:
    rows = "".join(f"a film, {i}{separator}{i % 2},0\n" for i in range(20))
    (tmp_path / "a.csv").write_text(f"text{separator}label\n{rows}", "utf-8")
    reviews, _ = read_all(tmp_path / "a.csv")
    assert reviews["text"][3] == "a film, 3"
    assert reviews["label"].tolist() == [0, 1] * 10


def test_quotation_marks_may_be_escaped_by_a_backslash(tmp_path: Path) -> None:
    rows = "".join(rf'"he said \"a, {i}\", really",{i % 2}' + "\n" for i in range(20))
    (tmp_path / "a.csv").write_text("text,label\n" + rows, "utf-8")
    assert read_all(tmp_path / "a.csv")[0]["text"][7] == 'he said "a, 7", really'


@pytest.mark.parametrize(
    ("labels", "classes", "indices"),
    [
        (["1", "0"], ("bad", "good"), [1, 0]),
        (["1.00", "0,0", "1"], ("bad", "good"), [1, 0, 1]),
        (["pos", "1", "neg"], ("bad", "good"), [1, 1, 0]),
        (["positive", "negative"], ("negative", "positive"), [1, 0]),
        (["Good", "bad", "GOOD"], ("bad", "Good"), [1, 0, 1]),
        (["positive", "negative", "Neutral"], ("negative", "Neutral", "positive"), [2, 0, 1]),
        (["so so", "Neutral", "neutral"], ("Neutral", "so so"), [1, 0, 0]),
        (["1", "-1"], ("-1", "1"), [1, 0]),
        (["1", "\u22121", "0"], ("-1", "0", "1"), [2, 0, 1]),
        (["10", "5", "0,5", "0.50", "5.0"], ("0.5", "5", "10"), [2, 1, 0, 0, 1]),
        (["v1.0", "v1"], ("v1", "v1.0"), [1, 0]),
        (["10", ".5", "1.", "1,"], ("0.5", "1", "10"), [2, 0, 1, 1]),
        (["2", "1e-05", "1E+1", "1"], ("0.00001", "1", "2", "10"), [2, 0, 3, 1]),
        (["100", "1,5", "20"], ("1.5", "20", "100"), [2, 0, 1]),
        (["1.0.0", "1.0", "2"], ("1", "2", "1.0.0"), [2, 0, 1]),
        (["False", "True"], ("False", "True"), [0, 1]),
        (["1" + "0" * 16 + "1", "1" + "0" * 17], ("1" + "0" * 17, "1" + "0" * 16 + "1"), [1, 0]),
    ],
)  # fmt: skip
def test_labels_become_classes(
    labels: list[str], classes: tuple[str, ...], indices: list[int]
) -> None:
    names, label_to_class = to_classes(Path("a.csv"), labels)
    assert names == classes
    assert [label_to_class[label] for label in labels] == indices


@pytest.mark.parametrize(
    "labels",
    [
        pd.Series([1, 0, None, 1, 0] * 20, dtype="Int64"),
        pd.Series([1, 0, float("nan"), 1, 0] * 20),
        pd.Series([1, 0, None, 1, 0] * 20, dtype=pd.ArrowDtype(pa.int64())),
        pd.Series(["pos", "neg", None, "pos", "neg"] * 20, dtype="category"),
        pd.Series([b"pos", b"neg", None, b"pos", b"neg"] * 20, dtype=object),
        pd.Series([True, False, None, True, False] * 20, dtype="boolean"),
        pd.Series(["pos", "neg", " NaN ", "pos", "neg"] * 20),
        pd.Series(["1", "0", "null", "1", "0"] * 20),
    ],
    ids=str,
)
@pytest.mark.parametrize("split", [None, ["train", "test", " Train", "TEST", "Training"] * 20])
def test_missing_labels_of_any_type_are_unlabelled_rows(
    table: pd.DataFrame, tmp_path: Path, labels: pd.Series, split: list[str] | None,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    table["label"] = labels
    if split:
        table["split"] = split
    reviews, _ = read_all(written(table, tmp_path / "mine.parquet"))
    assert reviews["label"].tolist() == [1, 0, -1, 1, 0] * 20
    assert {*reviews["split"][2::5]} == {"unlabelled"}
    literal = isinstance(labels[2], str)
    assert ("are taken as unlabelled" in capsys.readouterr().err) == bool(literal or split)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["train", "test", "validation"], ["train", "test", "train"]),
        (["Training ", "validation", "dev"], ["train", "test", "test"]),
        (["train", "test", "unsupervised"], ["train", "test", "unlabelled"]),
        (["train", "test", "Unlabeled"], ["train", "test", "unlabelled"]),
    ],
)
def test_common_names_of_splits_are_understood(
    tmp_path: Path, given: list[str], expected: list[str]
) -> None:
    labels = [
        "-1" if split == "unlabelled" else "01"[i % 2] for i, split in enumerate(expected * 20)
    ]
    rows = pd.DataFrame({"text": "a", "label": labels, "split": given * 20})
    reviews, _ = read_all(written(rows, tmp_path / "a.csv"))
    assert reviews["split"].tolist() == expected * 20
    assert (reviews["label"] == -1).tolist() == [split == "unlabelled" for split in expected] * 20


def test_the_rows_of_a_group_are_in_the_same_split(table: pd.DataFrame, tmp_path: Path) -> None:
    table["Group"] = [f"film {i % 25}" + " " * (i % 2) for i in range(100)]
    reviews, _ = read_all(written(table[table["label"] != ""], tmp_path / "a.parquet"))
    groups = reviews.groupby("split")["group"].unique()
    assert not {*groups["train"]} & {*groups["test"]}
    assert len(groups["test"]) == 4  # of 20


def test_groups_that_cannot_be_split_are_refused(table: pd.DataFrame, tmp_path: Path) -> None:
    labelled = table[table["label"] != ""]
    for groups in ("one", labelled["label"]):
        path = written(labelled.assign(group=groups), tmp_path / "a.csv")
        with pytest.raises(UserError, match="cannot both have all 2 classes: use more groups, or"):
            read_all(path)


def test_training_texts_in_the_test_split_are_counted(
    table: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read_all(written(table, tmp_path / "a.csv"))
    assert "test texts" not in capsys.readouterr().err
    table["split"] = ["train", "test", "test", "train", "unlabelled"] * 20
    table.loc[[1, 2], "text"] = table.loc[0, "text"]
    read_all(written(table, tmp_path / "a.csv"))
    assert "2 of 40 test texts are training texts, too" in capsys.readouterr().err


def test_duplicates_are_counted_across_a_random_split(
    table: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies = table.assign(text=table["text"].str.upper())
    reviews, _ = read_all(written(pd.concat([table, copies]), tmp_path / "a.csv"))
    splits = reviews["split"].to_numpy().reshape(2, 100)
    count = int(((splits == "test") & (splits[::-1] == "train")).sum())
    assert count > 10
    assert f"{count} of 32 test texts are training texts, too" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("つまらない映画の俳優が最悪だった、二度と見たくない作品です。", True),
        ("つまらない 映画 の 俳優 が 最悪 だっ た", False),
        ("หนังเรื่องนี้แย่มากที่สุด", True),
        ("หนัง เรื่อง นี้ แย่ มาก ที่สุด", False),
        ("Donaudampfschifffahrtsgesellschaft", False),
    ],
)
def test_texts_without_spaces_between_words_are_warned_about(
    table: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, warned: bool
) -> None:
    read_all(written(table.assign(text=text), tmp_path / "a.csv"))
    assert ("words are not separated by spaces" in capsys.readouterr().err) == warned


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("data/reviews.xlsx", r"expected auto, stanford, pypi, or the path of .*\.csv"),
        ("data/reviews", "expected auto"),
        ("https://example.org/reviews.csv", "a URL is not downloaded"),
    ],
)
def test_a_source_that_is_no_table_is_explained(source: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(Source).validate_python(source)
