"""Fixtures that the tests of several projects share."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import settings

from tests.clone import ROOT, Clone, create_reproduced_clone

# Tests must not depend on the speed of the machine.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

# The slowest files, slowest first. With pytest-xdist, which gives each worker a file at a time, the
# workers then end at about the same time.
SLOW_FILES = [
    "test_pipeline.py", "test_distributed.py", "test_experiments.py", "test_faults.py",
    "test_extending.py", "test_reviews.py", "test_review_rating.py", "test_http.py",
    "test_mlp_notebooks.py", "test_stages.py", "test_remotes.py", "test_classes.py",
]  # fmt: skip

Run = Callable[..., subprocess.CompletedProcess[str]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slowest files first."""

    def rank(item: pytest.Item) -> int:
        name = item.path.name
        return SLOW_FILES.index(name) if name in SLOW_FILES else len(SLOW_FILES)

    items.sort(key=rank)


@pytest.fixture
def stage() -> Run:
    """Run a stage: `stage("imdb.preprocess.tokenize", "--reviews", path, …)`."""

    def run(module: str, *args: object, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", f"stages.{module}", *map(str, args)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, **environment},
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """The clone in which `dvc repro` has run once; read it, or change a fork of it.

    The workers of pytest-xdist share it: the first one that needs it creates it.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, complete = base / "clone", base / "clone-complete"
    with (base / "clone-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            create_reproduced_clone(folder, base / "archive.tar.gz")
            complete.touch()
    return Clone(folder)
