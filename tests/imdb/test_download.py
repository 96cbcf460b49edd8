"""Stage `download`: where the reviews come from, and what is refused."""

import json
from pathlib import Path

import pytest
import yaml

from stages.imdb.download.aclimdb import read_archive, reviews_sha256
from tests.clone import ROOT
from tests.conftest import Run
from tests.imdb.made_up import PER_CLASS, files, pack
from tests.imdb.server import Behaviour, serve


@pytest.fixture
def download(stage: Run, tmp_path: Path) -> Run:
    """Run the stage for the made-up archive; further arguments change `imdb.archive`."""
    archive = pack(files(), tmp_path / "copy.tar.gz")

    def run(source: str, environment: dict[str, str], **changes: object) -> object:
        tree = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
        tree["imdb"]["source"] = source
        tree["imdb"]["archive"] = {
            "url": "http://127.0.0.1:9/nothing-listens-here",
            "sha256": "0" * 64,
            "reviews_sha256": reviews_sha256(read_archive(archive, PER_CLASS)),
            "reviews_per_class": PER_CLASS,
            **changes,
        }
        path = tmp_path / "params.yaml"
        path.write_text(yaml.safe_dump(tree), "utf-8")
        out = tmp_path / "out"
        return stage(
            "imdb.download.main", "--params", path, "--archive", tmp_path / "kept.tar.gz",
            "--reviews", out / "reviews.parquet", "--metrics", out / "data.json",
            **{"IMDB_ARCHIVE": "", **environment},
        )  # fmt: skip

    return run  # type: ignore[return-value]


def outputs(folder: Path) -> list[str]:
    return sorted(p.name for p in (folder / "out").glob("*")) if (folder / "out").exists() else []


def test_a_copy_named_by_the_environment_is_used(download: Run, tmp_path: Path) -> None:
    done = download("stanford", {"IMDB_ARCHIVE": str(tmp_path / "copy.tar.gz")})
    assert done.returncode == 0, done.stderr
    assert outputs(tmp_path) == ["data.json", "reviews.parquet"]
    assert json.loads((tmp_path / "out/data.json").read_text())["data"] == "IMDB, official split"


def test_a_copy_with_other_reviews_is_refused(download: Run, tmp_path: Path) -> None:
    pack(files(seed=1), tmp_path / "other.tar.gz")
    done = download("auto", {"IMDB_ARCHIVE": str(tmp_path / "other.tar.gz")})
    assert done.returncode == 1
    assert "SHA-256" in done.stderr
    assert str(tmp_path / "other.tar.gz") in done.stderr
    assert outputs(tmp_path) == []


def test_a_missing_copy_is_named(download: Run, tmp_path: Path) -> None:
    done = download("auto", {"IMDB_ARCHIVE": "/no/such/archive.tar.gz"})
    assert done.returncode == 1
    assert "IMDB_ARCHIVE=/no/such/archive.tar.gz: no such file" in done.stderr
    assert outputs(tmp_path) == []


def test_without_a_network_stanford_fails_and_auto_falls_back(
    download: Run, tmp_path: Path
) -> None:
    done = download("stanford", {})
    assert done.returncode == 1
    assert "IMDB_ARCHIVE" in done.stderr
    assert "Traceback" not in done.stderr
    assert outputs(tmp_path) == []

    done = download("auto", {})
    assert done.returncode == 0, done.stderr
    assert "*** " in done.stderr
    assert json.loads((tmp_path / "out/data.json").read_text()) == {
        "data": "IMDB training reviews only, held-out fifth",
        "reviews": {"train": 20_000, "test": 5_000},
    }


def test_an_altered_download_is_refused_and_never_replaced_by_other_data(
    download: Run, tmp_path: Path
) -> None:
    with serve(Behaviour(b"not the archive")) as url:
        done = download("auto", {}, url=url)
    assert done.returncode == 1
    assert "the file's SHA-256 is" in done.stderr
    assert outputs(tmp_path) == []
