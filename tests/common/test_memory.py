"""Memory that is not there is told; nothing waits for it for ever."""

import resource
import subprocess
import sys

import pytest

from stages.common.errors import MEMORY_MESSAGE, message
from stages.common.memory import must_be_free
from tests.clone import ROOT

SPLIT = """
import resource, sys
import pandas as pd
from stages.common.errors import run
from stages.imdb.reviews import split_by_film

index = pd.DataFrame({"split": "train", "film": [str(i) for i in range(9)], "label": 0})
with open("/proc/self/statm") as file:
    now = int(file.read().split()[0]) * resource.getpagesize()
limit = now + int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
run(lambda: print(len(split_by_film(index, 0.3)[1])))
"""


def test_what_cannot_be_had_is_refused() -> None:
    must_be_free(1 << 20)
    with pytest.raises(OSError, match="Cannot allocate memory"):
        must_be_free(1 << 62)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells and limits address space so")
@pytest.mark.parametrize(("left", "told"), [(90 << 20, f"error: {MEMORY_MESSAGE}"), (1 << 32, "")])
def test_a_library_that_would_wait_for_memory_is_not_let_to(left: int, told: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SPLIT, str(left)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,  # in which to see that it would never end
        check=False,
    )
    assert done.stderr.strip() == told
    assert done.stdout == ("" if told else "3\n")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not keep to the limit")
@pytest.mark.parametrize(
    ("module", "size"),
    [("stages.mlp_numpy.equations_figures", 118 << 20), ("stages.imdb.rating", 256 << 20)],
    ids=["NumPy", "PyTorch"],
)
def test_a_stage_whose_libraries_find_no_memory_says_so(module: str, size: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size)),
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"error: {MEMORY_MESSAGE}"
    assert "Traceback" not in done.stderr


def test_what_fails_while_tidying_up_does_not_hide_why() -> None:
    error = RuntimeError("cannot join thread before it is started")
    assert message(error) is None
    error.__context__ = MemoryError()
    assert message(error) == MEMORY_MESSAGE
