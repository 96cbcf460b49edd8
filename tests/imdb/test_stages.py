"""Stages of project 3 through their command lines: unreadable inputs, a full disk."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from stages.imdb.download.main import write_reviews
from tests.conftest import Run

COMMANDS = {
    "imdb.preprocess.tokenize": "--reviews {bad} --tokens {out}",
    "imdb.preprocess.vocabulary": "--tokens {bad} --corpus {out} --metrics {out}.json",
    "imdb.linear.main":
        "--reviews {bad} --model {out}.model --predictions {out} --unlabelled {out}.more",
    "imdb.pretraining.main":
        "--corpus {bad} --live {out}.live --checkpoints {out}.tmp --out {out}",
    "imdb.training.main":
        "mean --corpus {bad} --live {out}.live --checkpoints {out}.tmp --out {out}",
    "imdb.models.predict_split": "--model {bad} --corpus {bad} --predictions {out}",
    "imdb.evaluation.evaluate":
        "--predictions {bad} --corpus {bad} --metrics {out} --curves {out}",
    "imdb.evaluation.compare":
        "--predictions {bad} --corpus {bad} --metrics {out} --results {out} --gains {out}"
        " --hardest {out}",
    "imdb.figures.embedding_neighbours": "--models {bad} --neighbours {out} --map {out}",
    "imdb.predict": "--model {bad} -- text",
}  # fmt: skip


@pytest.mark.parametrize("module", COMMANDS)
@pytest.mark.parametrize("kind", ["missing", "rubbish"])
def test_an_unreadable_input_is_named(stage: Run, tmp_path: Path, module: str, kind: str) -> None:
    bad, out = tmp_path / "bad", tmp_path / "out"
    if kind != "missing":
        bad.write_bytes(b"rubbish" * 100)
    done = stage(module, *COMMANDS[module].format(bad=bad, out=out).split())
    assert done.returncode == 1, done.stdout
    assert str(bad) in done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*out*")), "nothing half-written"


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


def test_a_full_disk_is_reported_and_nothing_half_written_is_left(
    stage: Run, tmp_path: Path, full_disk: Path
) -> None:
    texts = [f"w{i} w{i + 1} w{i + 2}" for i in range(20_000)]
    table = pd.DataFrame({"id": texts, "split": "train", "group": "", "stars": 1, "label": 0})
    write_reviews([table.assign(text=texts)], "made up", tmp_path / "reviews.parquet")
    args = ["--reviews", tmp_path / "reviews.parquet", "--tokens", full_disk / "tokens"]
    done = stage("imdb.preprocess.tokenize", *args)
    assert done.returncode == 1
    assert done.stderr == "error: no space left on the disk; free some and run again\n"
    assert list(full_disk.iterdir()) == []
