"""The command that classifies texts."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stages.imdb import predict
from stages.imdb.corpus.tokenizer import tokenize
from stages.imdb.models.classifiers import LSTMClassifier
from stages.imdb.models.inference import predict_proba
from stages.imdb.models.serialization import save_weights
from stages.imdb.predict import main, strip_html
from tests.conftest import ROOT, Run
from tests.imdb.call import call
from tests.imdb.untrained import save_untrained


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return save_untrained(tmp_path_factory.mktemp("models"))


def test_predict_classifies_and_explains_any_input(
    tmp_path: Path,
    models: list[Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(predict, "MAX_TOKENS", 100)
    path = tmp_path / "reviews.txt"
    path.write_bytes(
        b"a great film!\n"
        b"\n"
        b"\xff\xfe\x00\x80 \x1b]0;owned\x07 zzz\n" + b"bad " * 1_000 + b"\n<br /><br />a film"
    )
    call(main, "--json", "--explain", "--file", path, "--models", *models)
    output = capsys.readouterr().out
    assert "\x1b" not in output
    records = [json.loads(line) for line in output.splitlines()]
    assert [record["words"] for record in records] == [4, 0, 3, 100, 2]
    assert [record["vocab_coverage"] for record in records] == [1, 0, 0, 1, 1]
    assert records[1]["mean"] == {"label": None, "probabilities": None}
    for model in ("mean", "lstm"):
        prediction = records[0][model]
        probabilities = prediction["probabilities"]
        assert probabilities["bad"] + probabilities["good"] == pytest.approx(1)
        assert prediction["label"] == max(probabilities, key=probabilities.__getitem__)
        words, values = zip(*prediction["attributions"], strict=True)
        assert words == ("a", "great", "film", "!")
        logit = np.log(probabilities["good"] / probabilities["bad"])
        assert sum(values) + prediction["bias"] == pytest.approx(logit, abs=0.02)


def test_predict_prints_one_line_per_network(
    models: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    call(main, "--models", *models, "--", "a \x1b[31mgreat film", "zzz", "")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["mean", "lstm"]
    assert lines[4] == "      (more than half of the words are not in the vocabulary)"
    assert lines[5:] == ["no words in the text: not classified"]


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_predict_escapes_what_the_output_encoding_lacks(
    stage: Run, models: list[Path], encoding: str
) -> None:
    args = ["--explain", "--models", models[0], "--", "a great фильм"]
    done = stage("imdb.predict", *args, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert r"\u0444\u0438\u043b\u044c\u043c" in done.stdout
    done = stage("imdb.predict", "--json", *args, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["mean"]["attributions"][2][0] == "фильм"


def test_predict_names_networks_by_their_folders(
    tmp_path: Path, models: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    custom = shutil.copytree(models[1], tmp_path / "custom")
    network = LSTMClassifier(7, 8, 6)
    save_weights(network, custom, 1)
    call(main, "--json", "--models", models[1], custom, "--", "a great film!")
    record = json.loads(capsys.readouterr().out)
    expected = predict_proba(network.eval(), [np.array([2, 3, 4, 6], np.int32)])[0, 1]
    assert record["custom"]["probabilities"]["good"] == pytest.approx(expected, abs=1e-4)
    assert record["lstm"] != record["custom"]


def test_wrong_arguments_are_reported(
    models: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        call(main, "--models", models[0], models[0], "--", "text")
    assert "folders of the same name: mean, mean; rename one" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        call(main, "--models", *models, "--file", "reviews.txt", "--", "text")
    assert "both texts and --file are given" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError, match="/no/such/file"):
        call(main, "--models", *models, "--file", "/no/such/file")


def test_html_is_read_as_the_text_it_represents() -> None:
    text = "<b>Isn\u2019t</b> it<br>great&nbsp;&amp; 1 &lt; 2 <BR/>5<6"
    assert tokenize(strip_html(text)) == ["isn't", "it", "great", "1", "2", "5", "6"]


def test_predict_does_not_import_what_only_training_needs() -> None:
    slow = {"sklearn", "dvclive", "pandas", "pyarrow"}
    code = f"import sys, stages.imdb.predict; print({slow} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout == "set()\n"
