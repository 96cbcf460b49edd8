"""Stages of project 3 through their command lines: what they say of what they cannot use."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from stages.imdb import saved
from stages.imdb.archive import digest, read_archive
from stages.imdb.download import write_reviews
from stages.imdb.models import LSTMClassifier, MeanClassifier
from stages.imdb.predict import cleaned
from stages.imdb.rating import rate
from stages.imdb.tokenizer import tokenize
from tests.conftest import ROOT, Run
from tests.imdb.made_up import PER_CLASS, files, pack
from tests.imdb.server import Behaviour, serve

WORDS = ["<pad>", "<unk>", "a", "great", "film", "bad", "!"]


@pytest.fixture
def download(stage: Run, tmp_path: Path) -> Run:
    """Run the download with parameters for the made-up archive; more go into `imdb.archive`."""
    archive = pack(files(), tmp_path / "copy.tar.gz")

    def run(source: str, environment: dict[str, str], **more: object) -> object:
        tree = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
        tree["imdb"]["source"] = source
        tree["imdb"]["archive"] = {
            "url": "http://127.0.0.1:9/nothing-listens-here",
            "sha256": "0" * 64,
            "reviews_sha256": digest(read_archive(archive, PER_CLASS)),
            "reviews_per_class": PER_CLASS,
            **more,
        }
        path = tmp_path / "params.yaml"
        path.write_text(yaml.safe_dump(tree), "utf-8")
        out = tmp_path / "out"
        return stage(
            "imdb.download", "--params", path, "--archive", tmp_path / "kept.tar.gz",
            "--reviews", out / "reviews.parquet", "--metrics", out / "data.json",
            **{"IMDB_ARCHIVE": "", **environment},
        )  # fmt: skip

    return run  # type: ignore[return-value]


def made(folder: Path) -> list[str]:
    return sorted(p.name for p in (folder / "out").glob("*")) if (folder / "out").exists() else []


def test_a_named_copy_comes_before_the_network(download: Run, tmp_path: Path) -> None:
    done = download("stanford", {"IMDB_ARCHIVE": str(tmp_path / "copy.tar.gz")})
    assert done.returncode == 0, done.stderr
    assert made(tmp_path) == ["data.json", "reviews.parquet"]
    assert json.loads((tmp_path / "out/data.json").read_text())["data"] == "IMDB, official split"


def test_a_copy_with_other_reviews_is_refused(download: Run, tmp_path: Path) -> None:
    pack(files(seed=1), tmp_path / "other.tar.gz")
    done = download("auto", {"IMDB_ARCHIVE": str(tmp_path / "other.tar.gz")})
    assert done.returncode == 1
    assert "these are not the reviews of the data set" in done.stderr
    assert made(tmp_path) == []


def test_a_copy_that_is_not_there_is_named(download: Run, tmp_path: Path) -> None:
    done = download("auto", {"IMDB_ARCHIVE": "/no/such/archive.tar.gz"})
    assert done.returncode == 1
    assert "IMDB_ARCHIVE=/no/such/archive.tar.gz: no such file" in done.stderr
    assert made(tmp_path) == []


def test_without_a_network_stanford_fails_and_auto_says_loudly_what_it_does(
    download: Run, tmp_path: Path
) -> None:
    done = download("stanford", {})
    assert done.returncode == 1
    assert "Check the network, or name a copy of the archive in IMDB_ARCHIVE" in done.stderr
    assert "Traceback" not in done.stderr
    assert made(tmp_path) == []

    done = download("auto", {})
    assert done.returncode == 0, done.stderr
    assert "*** This is another benchmark than the official one" in done.stderr
    data = json.loads((tmp_path / "out/data.json").read_text())
    assert data == {
        "data": "IMDB training reviews only, held-out fifth",
        "reviews": {"train": 20_000, "test": 5_000},
    }


def test_an_altered_download_is_not_replaced_by_other_data(download: Run, tmp_path: Path) -> None:
    """`auto` falls back where there is no network, never where the data is wrong."""
    with serve(Behaviour(b"not the archive")) as url:
        done = download("auto", {}, url=url)
    assert done.returncode == 1
    assert "the file's SHA-256 is" in done.stderr
    assert made(tmp_path) == []


@pytest.mark.parametrize(
    ("module", "args"),
    [
        ("imdb.tokenize", ["--reviews", "{bad}", "--tokens", "{out}"]),
        ("imdb.vocabulary",
         ["--tokens", "{bad}", "--vocabulary", "{out}", "--metrics", "{out}.json"]),
        ("imdb.baseline",
         ["--reviews", "{bad}", "--predictions", "{out}", "--unlabelled", "{out}.more"]),
        ("imdb.pretrain",
         ["--reviews", "{bad}", "--live", "{out}.live", "--checkpoints", "{out}.kept",
          "--out", "{out}"]),
        ("imdb.train",
         ["mean", "--reviews", "{bad}", "--live", "{out}.live", "--checkpoints", "{out}.kept",
          "--out", "{out}"]),
        ("imdb.rating", ["--model", "{bad}", "--reviews", "{bad}", "--predictions", "{out}"]),
        ("imdb.evaluate",
         ["--predictions", "{bad}", "--reviews", "{bad}", "--metrics", "{out}",
          "--curves", "{out}"]),
        ("imdb.compare",
         ["--linear", "{bad}", "--mean", "{bad}", "--lstm", "{bad}", "--reviews", "{bad}",
          "--metrics", "{out}", "--results", "{out}", "--gains", "{out}", "--hardest", "{out}"]),
        ("imdb.architecture",
         ["--mean", "{bad}", "--lstm", "{bad}", "--mean-picture", "{out}",
          "--lstm-picture", "{out}"]),
        ("imdb.words", ["--models", "{bad}", "--neighbours", "{out}", "--map", "{out}"]),
        ("imdb.predict", ["--models", "{bad}", "--", "text"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["missing", "empty", "rubbish"])
def test_inputs_that_cannot_be_read_are_named(
    stage: Run, tmp_path: Path, module: str, args: list[str], kind: str
) -> None:
    bad, out = tmp_path / "bad", tmp_path / "out"
    if kind != "missing":
        bad.write_bytes(b"" if kind == "empty" else b"rubbish" * 100)
    done = stage(module, *(arg.format(bad=bad, out=out) for arg in args))
    assert done.returncode == 1, done.stdout
    assert str(bad) in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*out*"))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Both networks, untrained, on a vocabulary of seven words."""
    place, folders = tmp_path_factory.mktemp("models"), []
    for model, network, sizes in (
        ("mean", MeanClassifier(7, 4), {"vocabulary": 7, "embedding_dim": 4}),
        ("lstm", LSTMClassifier(7, 4, 3), {"vocabulary": 7, "embedding_dim": 4, "hidden": 3}),
    ):
        folder = place / model
        folder.mkdir()
        description = saved.Description.model_validate(
            {
                "model": model,
                "data": "made up",
                "classes": ["bad", "good"],
                "seeds": [1],
                "sizes": sizes,
            }
        )
        saved.save_description(description, WORDS, folder)
        saved.save_weights(network, folder, 1)
        folders.append(folder)
    return folders


def test_predict_rates_explains_and_survives_anything(
    stage: Run, tmp_path: Path, models: list[Path]
) -> None:
    path = tmp_path / "reviews.txt"
    path.write_bytes(
        b"a great film!\n"
        b"\n"
        b"\xff\xfe\x00\x80 \x1b]0;owned\x07 zzz\n" + b"bad " * 50_000 + b"\n<br /><br />a film"
    )
    done = stage("imdb.predict", "--json", "--explain", "--file", path, "--models", *models)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["words"] for record in records] == [4, 0, 3, 10_000, 2]
    assert [record["known"] for record in records] == [1, 0, 0, 1, 1]
    assert records[1]["mean"] == {"verdict": None, "probabilities": None}
    answer = records[0]["mean"]["probabilities"]
    assert answer["bad"] + answer["good"] == pytest.approx(1)
    assert records[0]["mean"]["verdict"] == max(answer, key=answer.__getitem__)
    assert [word for word, _ in records[0]["lstm"]["explain"]] == ["a", "great", "film", "!"]
    assert "\x1b" not in done.stdout

    done = stage("imdb.predict", "--models", *models, "--explain", "a \x1b[31mgreat film", "")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert done.stdout.splitlines()[-1] == "no words in it: no rating"


def test_predict_tells_networks_of_one_kind_apart_by_their_folders(
    stage: Run, tmp_path: Path, models: list[Path]
) -> None:
    mine = shutil.copytree(models[1], tmp_path / "mine")
    network = LSTMClassifier(7, 4, 3)
    saved.save_weights(network, mine, 1)
    done = stage("imdb.predict", "--json", "--models", models[1], mine, "--", "a great film!")
    record = json.loads(done.stdout)
    expected = rate(network.eval(), [np.array([2, 3, 4, 6], np.int32)])[0, 1]
    assert record["mine"]["probabilities"]["good"] == pytest.approx(expected, abs=1e-4)
    assert record["lstm"] != record["mine"]
    done = stage("imdb.predict", "--models", mine, mine, "--", "text")
    assert done.returncode == 2
    assert "folders of the same name: mine, mine" in done.stderr


def test_words_that_the_texts_lack_are_left_out_and_told(
    stage: Run, tmp_path: Path, models: list[Path]
) -> None:
    path, tree = tmp_path / "params.yaml", yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    args = ["--params", path, "--models", *models]
    args += ["--neighbours", tmp_path / "near.csv", "--map", tmp_path / "map.csv"]

    def show(*words: str) -> subprocess.CompletedProcess[str]:
        tree["imdb"]["words"] = [*words]
        path.write_text(yaml.safe_dump(tree), "utf-8")
        return stage("imdb.words", *args)

    done = show("great", "zebra")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("imdb.words: 'zebra': not among the 5 most frequent words") == 1
    assert {*pd.read_csv(tmp_path / "near.csv")["word"]} == {"great"}

    done = show("zebra")
    assert done.returncode == 1
    assert "choose others, 'a' say" in done.stderr


def test_predict_reads_html_as_the_text_it_stands_for() -> None:
    text = "<b>Isn\u2019t</b> it<br>great&nbsp;&amp; 1 &lt; 2 <BR/>5<6"
    assert tokenize(cleaned(text)) == ["isn't", "it", "great", "1", "2", "5", "6"]


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 200 kB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs to be root, to mount a small file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_told_and_nothing_half_written_stays(
    stage: Run, tmp_path: Path, full_disk: Path
) -> None:
    texts = [f"w{i} w{i + 1} w{i + 2}" for i in range(20_000)]
    table = pd.DataFrame({"id": texts, "split": "train", "film": "", "stars": 1, "label": 0})
    write_reviews([table.assign(text=texts)], "made up", tmp_path / "reviews.parquet")
    args = ["--reviews", tmp_path / "reviews.parquet", "--tokens", full_disk / "tokens"]
    done = stage("imdb.tokenize", *args)
    assert done.returncode == 1
    assert done.stderr == "error: no space left on the disk; free some and run again\n"
    assert list(full_disk.iterdir()) == []


def test_predict_names_a_file_that_is_not_there(stage: Run, models: list[Path]) -> None:
    done = stage("imdb.predict", "--file", "/no/such/file", "--models", *models)
    assert done.returncode == 1
    assert done.stderr == "error: /no/such/file: No such file or directory\n"
