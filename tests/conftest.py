"""Fixtures that the tests of several projects share."""

import fcntl
import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable

# Each worker of pytest-xdist has a processor, so idle threads of OpenMP and BLAS would only wait.
# The variable must be set before NumPy and PyTorch are imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

from stages.common.errors import run_main
from tests.clone import ROOT, Clone, create_reproduced_clone

# Tests must not depend on the speed of the machine.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

# The slowest files, slowest first. With pytest-xdist, which gives each worker a file at a time, the
# workers then end at about the same time. The second and the third file do not need the fixture
# `clone`, which the first one creates.
SLOW_FILES = [
    "test_pipeline.py", "test_distributed.py", "test_classes.py", "test_faults.py",
    "test_experiments.py", "test_notebooks.py", "test_reviews.py", "test_extending.py",
    "test_remotes.py", "test_source.py", "test_figures.py", "test_mlp_notebooks.py",
    "test_review_rating.py", "test_ablation.py", "test_page.py", "test_bidirectional.py",
    "test_mlp_figures.py", "test_http.py", "test_params.py", "test_download.py",
    "test_tokenize.py", "test_processes.py",
]  # fmt: skip

Run = Callable[..., subprocess.CompletedProcess[str]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slowest files first."""

    def rank(item: pytest.Item) -> int:
        name = item.path.name
        return SLOW_FILES.index(name) if name in SLOW_FILES else len(SLOW_FILES)

    items.sort(key=rank)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a stage: `stage("imdb.preprocess.tokenize", "--reviews", path, …)`.

    It runs in this process, which has imported the slow libraries. Its messages and exit code are
    those of `python -m stages.imdb.preprocess.tokenize`.
    """

    def run(module: str, *args: object, **environment: str) -> subprocess.CompletedProcess[str]:
        main = importlib.import_module(f"stages.{module}").main
        code: object = 0
        message = ""
        capsys.readouterr()  # discard the output of what came before
        with monkeypatch.context() as patch:
            patch.chdir(ROOT)
            patch.setattr(sys, "argv", [module, *map(str, args)])
            for name, value in environment.items():
                patch.setenv(name, value)
            handler = signal.getsignal(signal.SIGTERM)
            try:
                run_main(main)
            except SystemExit as exit_:
                code = exit_.code or 0
                if isinstance(code, str):  # Python prints it and exits with 1
                    code, message = 1, f"{code}\n"
            finally:
                signal.signal(signal.SIGTERM, handler)
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(sys.argv, int(str(code)), out, err + message)

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
