"""What the tests of several projects share."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import settings

from tests.clone import ROOT, Clone, reproduced

# How fast a machine is, or what else it does, is no matter of the tests.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def stage() -> Run:
    """Run a stage through its command line: `stage("imdb.tokenize", "--reviews", path, …)`."""

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
    """The one clone of a session in which `dvc repro` has run; leave it as you find it."""
    return reproduced(tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("server"))
