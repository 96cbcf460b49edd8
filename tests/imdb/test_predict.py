"""The command and the class that classify texts."""

import io
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.common.errors import UserError
from stages.imdb import predict
from stages.imdb.evaluation.pooling import log_opinion_pool
from stages.imdb.models.inference import predict_proba
from stages.imdb.models.serialization import load_model
from stages.imdb.predict import Predictor, main
from tests.conftest import ROOT
from tests.imdb.call import call
from tests.imdb.untrained import save_small_linear, save_untrained

REVIEW = "a great film!"
REVIEW_IDS = np.array([2, 3, 4, 6], np.int32)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A linear model, and a mean and an LSTM of two seeds."""
    folder = tmp_path_factory.mktemp("models")
    return [save_small_linear(folder), *save_untrained(folder, seeds=(1, 2))]


def options(models: list[Path]) -> list[object]:
    return [word for folder in models for word in ("--model", folder)]


def records(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    output = capsys.readouterr().out
    assert "\x1b" not in output
    return [json.loads(line) for line in output.splitlines()]


def test_predict_classifies_and_explains_any_input(
    tmp_path: Path,
    models: list[Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(predict, "MAX_TOKENS", 100)
    path = tmp_path / "reviews.txt"
    path.write_bytes(
        b"a great film!\r\n"
        b"\n"
        b"\x01 \x1b]0;owned\x07 zzz\n" + b"bad " * 1_000 + b"\n<br /><br />a&nbsp;film"
    )
    call(main, "--json", "--explain", "--file", path, *options(models))
    found = records(capsys)
    assert [record["line"] for record in found] == [1, 2, 3, 4, 5]
    assert [record["words"] for record in found] == [4, 0, 3, 100, 2]
    assert [found[0]["text"], found[4]["text"]] == ["a great film!", "<br /><br />a&nbsp;film"]
    predictions = [record["predictions"] for record in found]
    assert [list(each) for each in predictions] == [["linear", "mean", "lstm"]] * 5
    assert predictions[1]["mean"] == {"label": None, "probabilities": None}
    assert [predictions[i]["lstm"]["vocab_coverage"] for i in (0, 2, 3, 4)] == [1, 0, 1, 1]
    for prediction in predictions[0].values():
        probabilities = prediction["probabilities"]
        assert probabilities["bad"] + probabilities["good"] == pytest.approx(1)
        assert prediction["label"] == max(probabilities, key=probabilities.__getitem__)
        words, values = zip(*prediction["attributions"], strict=True)
        assert words == ("a", "great", "film", "!")
        logit = np.log(probabilities["good"] / probabilities["bad"])
        assert sum(values) + prediction["bias"] == pytest.approx(logit, abs=0.02)


def test_the_networks_of_all_seeds_are_combined_unless_one_is_chosen(
    models: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    lstm = models[2]
    by_seed = [predict_proba(load_model(lstm, seed)[0], [REVIEW_IDS]) for seed in (1, 2)]
    assert by_seed[0] != pytest.approx(by_seed[1], abs=1e-3)
    assert Predictor(lstm).predict_proba([REVIEW]) == pytest.approx(log_opinion_pool(by_seed))
    assert Predictor(lstm, seed=2).predict_proba([REVIEW]) == pytest.approx(by_seed[1], rel=1e-5)
    call(main, "--json", "--seed", 2, *options(models), REVIEW)
    [record] = records(capsys)
    good = record["predictions"]["lstm"]["probabilities"]["good"]
    assert good == pytest.approx(by_seed[1][0, 1], abs=1e-4)
    with pytest.raises(UserError, match=r"lstm: no network of the seed 3; its seeds are 1, 2"):
        Predictor(lstm, seed=3)


@pytest.mark.parametrize("num_classes", [2, 3])
def test_the_class_predicts_and_explains_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_classes: int
) -> None:
    save_untrained(tmp_path, num_classes=num_classes, seeds=(1, 2))
    save_small_linear(tmp_path, num_classes)
    monkeypatch.chdir(tmp_path)
    texts = [REVIEW, "", "An <b>odd</b> film", "zzz"]
    for folder in ("linear", "mean", Path("lstm")):
        predictor = Predictor(folder)
        assert predictor.classes == ["bad", "good", "odd"][:num_classes]
        probabilities = predictor.predict_proba(texts)
        assert probabilities.shape == (4, num_classes)
        assert probabilities.dtype == np.float64
        assert np.isnan(probabilities[1]).all()
        assert probabilities[[0, 2, 3]].sum(axis=1) == pytest.approx(1)
        labels = [predictor.classes[i] for i in probabilities[[0, 2, 3]].argmax(axis=1)]
        assert predictor.predict(pd.Series(texts)) == [labels[0], None, *labels[1:]]
        explanation = predictor.explain(texts[2])
        assert explanation.label == labels[1]
        assert [word for word, _ in explanation.attributions] == ["an", "odd", "film"]
        assert predictor.explain("").label is None
        assert predictor.predict([]) == []
    assert Predictor("linear").predict(["bad", "great"]) == ["bad", "good"]


def test_one_text_instead_of_a_list_is_refused(models: list[Path]) -> None:
    predictor = Predictor(models[0])
    with pytest.raises(TypeError, match=r"expected a list of texts, not one text; write \[text\]"):
        predictor.predict(REVIEW)
    with pytest.raises(TypeError, match="expected texts of the type str, found nan"):
        predictor.predict([float("nan")])  # type: ignore[list-item]


@pytest.mark.parametrize("texts", [pd.DataFrame({"text": [REVIEW]}), {"text": REVIEW}])
def test_a_table_is_no_list_of_texts(models: list[Path], texts: Any) -> None:
    with pytest.raises(TypeError, match="expected a list of texts, found a .*; name a column"):
        Predictor(models[0]).predict(texts)


@pytest.mark.parametrize("gap", [None, float("nan")])
def test_the_texts_of_a_table_may_be_categorical(
    tmp_path: Path, models: list[Path], gap: float | None
) -> None:
    texts = pd.Series([REVIEW, gap, REVIEW], dtype="category")
    pd.DataFrame({" Text": texts}).to_parquet(tmp_path / "a.parquet")
    out = tmp_path / "out.csv"
    call(main, "--csv", tmp_path / "a.parquet", "--out", out, *options(models[:1]))
    found = pd.read_csv(out, keep_default_na=False)
    assert found[" Text"].tolist() == [REVIEW, "", REVIEW]
    assert found["linear_label"].tolist() == ["good", "", "good"]


def test_the_folder_of_all_models_is_not_one_model(models: list[Path]) -> None:
    with pytest.raises(UserError, match=r"no such file; name one of .*linear, .*mean"):
        Predictor(models[0].parent)


def test_predict_prints_one_line_per_model(
    models: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    call(main, *options(models), "a \x1b[31mgreat film", "zzz", "")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1: a  [31mgreat film"
    assert [line.split()[0] for line in lines[1:4]] == ["linear", "mean", "lstm"]
    assert lines[4] == "2: zzz"
    assert lines[6] == "       (more than half of the words are not in the vocabulary)"
    assert lines[-2:] == ["3:", "no words in the text: not classified"]
    call(main, "--model", models[1], REVIEW)
    assert capsys.readouterr().out.startswith("mean ")


def test_every_trained_model_of_the_folder_is_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"data/imdb/models: no trained model; run dvc repro"):
        call(main, "a great film!")
    save_untrained(tmp_path / "data/imdb/models")
    call(main, "a great film!")
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == ["mean", "lstm"]


@pytest.mark.parametrize("name", ["words", "predictions"])
def test_models_are_named_by_their_folders(
    tmp_path: Path, models: list[Path], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    custom = shutil.copytree(models[2], tmp_path / name)
    call(main, "--json", *options([models[2], custom]), REVIEW)
    [record] = records(capsys)
    assert record["words"] == 4
    assert record["predictions"] == {
        "lstm": record["predictions"]["lstm"], name: record["predictions"]["lstm"]
    }  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_names_the_encoding(
    tmp_path: Path,
    models: list[Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    encoding: str,
) -> None:
    texts = ["素晴らしい film", "naïve café"]
    (tmp_path / "reviews.txt").write_bytes("\n".join(texts).encode(encoding))
    call(main, "--json", "--file", tmp_path / "reviews.txt", "--model", models[0])
    assert [record["text"] for record in records(capsys)] == texts
    stdin = io.BufferedReader(io.BytesIO("\n".join(texts).encode(encoding)))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stdin))
    call(main, "--json", "--model", models[0])
    assert [record["text"] for record in records(capsys)] == texts


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("good\nIt’s naïve".encode("cp1252"), r"reviews\.txt: line 2 is not in UTF-8; save"),
        ("good\nfilm".encode("utf-16")[:-1], r"reviews\.txt: damaged after line 1 \(truncated"),
        (
            "good\nfilm".encode("utf-16-le"),
            r"reviews\.txt: line 1 has a NUL byte; the file may be in",
        ),
    ],
)
def test_another_encoding_is_refused_before_anything_is_printed(
    tmp_path: Path,
    models: list[Path],
    capsys: pytest.CaptureFixture[str],
    content: bytes,
    message: str,
) -> None:
    (tmp_path / "reviews.txt").write_bytes(content)
    with pytest.raises(UserError, match=message):
        call(main, "--file", tmp_path / "reviews.txt", "--model", models[0])
    assert capsys.readouterr().out == ""


def save_table(path: Path, table: pd.DataFrame) -> Path:
    if path.suffix == ".parquet":
        table.to_parquet(path)
    elif path.suffix == ".jsonl":
        table.to_json(path, orient="records", lines=True)
    else:
        separator = "\t" if path.suffix == ".tsv" else ";" if path.stem == "semicolon" else ","
        table.to_csv(path, index=False, sep=separator)
    return path


@pytest.mark.parametrize(
    "name",
    ["A.CSV", "semicolon.csv", "a.csv.gz", "a.tsv", "a.jsonl", "a.parquet"],
)
def test_predictions_are_added_to_a_table(tmp_path: Path, models: list[Path], name: str) -> None:
    table = pd.DataFrame({"id": ["007", "NA", "3"], "review": [REVIEW, "", 'a "bad"\nfilm, é']})
    path = save_table(tmp_path / name, table)
    before = path.read_bytes()
    out = tmp_path / "out.csv"
    call(main, "--csv", path, "--column", "review", "--out", out, *options(models[:2]))
    found = pd.read_csv(out, dtype={"id": str}, keep_default_na=False)
    assert found[["id", "review"]].to_dict() == table.to_dict()
    assert list(found.columns[2:]) == [
        "linear_label", "linear_probability_bad", "linear_probability_good",
        "mean_label", "mean_probability_bad", "mean_probability_good",
    ]  # fmt: skip
    assert found["linear_label"].tolist() == ["good", "", "bad"]
    expected = Predictor(models[0]).predict_proba([REVIEW])[0, 1]
    assert float(found["linear_probability_good"][0]) == pytest.approx(expected, abs=1e-4)
    assert found["linear_probability_good"][1] == ""
    assert path.read_bytes() == before


def test_a_directory_of_parquet_files_with_an_index_is_a_table(
    tmp_path: Path, models: list[Path]
) -> None:
    folder, out = tmp_path / "spark.parquet", tmp_path / "out.csv"
    folder.mkdir()
    table = pd.DataFrame({"text": [REVIEW, "bad"]}, pd.Index(["x", "y"], name="id"))
    for i in range(2):
        table[i : i + 1].to_parquet(folder / f"part-{i}.parquet")
    call(main, "--csv", folder, "--out", out, *options(models[:1]))
    found = pd.read_csv(out)
    assert found[["id", "text", "linear_label"]].to_numpy().tolist() == [
        ["x", REVIEW, "good"], ["y", "bad", "bad"],
    ]  # fmt: skip


def test_texts_are_read_from_a_pipe(
    tmp_path: Path, models: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    writer = threading.Thread(target=pipe.write_text, args=(f"{REVIEW}\nbad\n",))
    writer.start()
    call(main, "--json", "--file", pipe, *options(models[:1]))
    writer.join()
    assert [record["text"] for record in records(capsys)] == [REVIEW, "bad"]


@pytest.mark.parametrize(
    ("file", "args", "message"),
    [
        ("missing.parquet", [], r"missing\.parquet: no such file; correct the path"),
        ("a.csv", ["--out", "a.csv"], r"--out .*a\.csv: this is the input; choose another name"),
        ("a.csv", ["--column", "review"], r"no column 'review'; its columns are text, size"),
        ("a.parquet", ["--column", "size"], "the column 'size' does not hold texts"),
        ("ragged.csv", [], r"ragged\.csv: row 1, .* has 3 values, but the header has 2"),
        ("broken.parquet", [], r"broken\.parquet: damaged, or not the format of its suffix"),
        ("done.csv", [], r"done\.csv: has the column 'linear_label' already"),
        ("empty.csv", [], r"empty\.csv: no column 'text'; its columns are none"),
        ("two.csv", [], r"two\.csv: more than one column 'text'; rename all but one"),
        ("two.parquet", [], r"two\.parquet: more than one column 'text'; rename all but one"),
        ("a.xlsx", [], r"a\.xlsx: expected a file that ends in \.csv, \.tsv, \.jsonl, \.csv\.gz"),
    ],
)
def test_a_wrong_table_is_refused(
    tmp_path: Path,
    models: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    args: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    table = pd.DataFrame({"text": [REVIEW], "size": [4]})
    for name in ("a.csv", "a.parquet"):
        save_table(Path(name), table)
    save_table(Path("done.csv"), table.assign(linear_label="good"))
    Path("broken.parquet").write_bytes(b"rubbish")
    Path("ragged.csv").write_text("text,size\nbad, but short,4\n", "utf-8")
    Path("empty.csv").touch()
    Path("two.csv").write_text("text,text\na,b\n", "utf-8")
    pq.write_table(pa.table([["a"], ["b"]], names=["text", "text"]), "two.parquet")
    before = Path("a.csv").read_bytes()
    with pytest.raises(UserError, match=message):
        call(main, "--out", "out.csv", "--csv", file, "--model", models[0], *args)
    assert Path("a.csv").read_bytes() == before
    assert not Path("out.csv").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--file", "a.txt", "text"], "give either texts, or --file, or --csv"),
        (["--file", "a.csv"], "--file a.csv: a table; use --csv a.csv --out FILE.csv"),
        (["--file", "a.jsonl.gz"], "--file a.jsonl.gz: a table; use --csv a.jsonl.gz"),
        (["--csv", "a.csv"], "--csv and --out belong together"),
        (["--csv", "a.csv", "--out", "b.txt"], "--out b.txt: the name must end in .csv"),
        (["--csv", "a.csv", "--out", "b.csv", "--json"], "--explain and --json are not for --csv"),
        (["--model", "a/mean", "text"], "folders of the same name: mean, mean; rename one"),
    ],
)
def test_wrong_arguments_are_reported(
    models: list[Path], capsys: pytest.CaptureFixture[str], args: list[str], message: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        call(main, "--model", models[1], *args)
    assert message in capsys.readouterr().err


def test_predict_does_not_import_what_only_training_needs() -> None:
    slow = {"sklearn", "dvclive", "pandas", "pyarrow"}
    code = f"import sys, stages.imdb.predict; print({slow} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout == "set()\n"
