"""Stage `source`: DVC notices when a table of texts has changed."""

import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from stages.common.errors import UserError
from stages.imdb.download.source import describe_source
from tests.clone import Clone, copy_work_tree

TEXTS = pd.DataFrame({"text": [f"text {i}" for i in range(20)], "label": [0, 1] * 10})
OUTPUT = Path("data/imdb/reviews.parquet")


def write_csv(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False)


def write_parquet(table: pd.DataFrame, path: Path) -> None:
    table.to_parquet(path)


def write_directory(table: pd.DataFrame, path: Path) -> None:
    path.mkdir(exist_ok=True)
    table[:12].to_parquet(path / "part-0.parquet")
    table[12:].to_parquet(path / "part-1.parquet")
    (path / "_SUCCESS").touch()


WRITERS = {"mine.csv": write_csv, "mine.parquet": write_parquet, "spark.parquet": write_directory}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A repository without results."""
    folder = tmp_path_factory.mktemp("source") / "project"
    clone = copy_work_tree(folder, leave_out=("metrics/", "plots/", "dvc.lock"))
    clone.git("init", "-q", "-b", "main")
    clone.commit()
    return clone


def test_download_runs_again_if_the_content_of_the_table_has_changed(project: Clone) -> None:
    path = project.folder / "mine.csv"
    write_csv(TEXTS, path)
    project.dvc("exp", "run", "-S", "imdb.source=mine.csv", "download")
    os.utime(path, (1, 1))  # the same content with another time
    assert project.repro("download") == []
    write_csv(TEXTS.assign(label=[1, 0] * 10), path)  # the same size
    assert project.repro("download") == ["download"]
    reviews = pd.read_parquet(project.folder / OUTPUT)
    assert reviews["label"].tolist() == [1, 0] * 10
    project.git("checkout", ".")


def test_a_relative_path_in_another_folder_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # as `dvc exp run --temp` does
    with pytest.raises(UserError) as error:
        describe_source("mine.csv", OUTPUT)
    assert f"imdb.source = mine.csv: no such file in {tmp_path}" in str(error.value)
    assert "--temp runs in another folder and needs the absolute path" in str(error.value)


def test_the_record_of_a_table_does_not_depend_on_its_folder(tmp_path: Path) -> None:
    for name, write in WRITERS.items():
        write(TEXTS, tmp_path / name)
    shutil.copytree(tmp_path, tmp_path / "copy")
    for name in WRITERS:
        record = describe_source(str(tmp_path / name), OUTPUT)
        assert record == describe_source(str(tmp_path / "copy" / name), OUTPUT)
        assert str(tmp_path) not in json.dumps(record)
    assert [*record["files"]] == ["spark.parquet/part-0.parquet", "spark.parquet/part-1.parquet"]


@pytest.mark.parametrize("source", ["auto", "stanford", "pypi"])
def test_a_named_source_is_recorded_by_its_name(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMDB_ARCHIVE", "/no/such/archive.tar.gz")
    assert describe_source(source, OUTPUT) == {"source": source}


def test_a_link_to_the_output_of_download_is_refused(tmp_path: Path) -> None:
    output = tmp_path / "reviews.parquet"
    write_parquet(TEXTS, output)
    (tmp_path / "link.parquet").symlink_to(output)
    with pytest.raises(UserError, match=r"link\.parquet: this is the output of the stage"):
        describe_source(str(tmp_path / "link.parquet"), output)
