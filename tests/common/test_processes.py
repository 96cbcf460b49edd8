"""Processes side by side: their results neither change places nor pile up."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from stages.common.errors import MEMORY_MESSAGE
from stages.common.processes import in_order
from tests.clone import ROOT


@pytest.mark.parametrize("ahead", [1, 3, 50])
def test_results_come_in_order_and_no_more_than_some_wait(ahead: int) -> None:
    begun: list[int] = []

    def work(task: int) -> int:
        begun.append(task)
        time.sleep(0.01 * (task % 3 == 0))
        return task * task

    with ThreadPoolExecutor(3) as executor:
        for taken, result in enumerate(in_order(executor, work, iter(range(20)), ahead)):
            assert result == taken * taken
            assert len(begun) <= taken + ahead
    assert sorted(begun) == list(range(20))


def test_a_task_that_fails_says_so_in_its_place() -> None:
    with ThreadPoolExecutor(2) as executor:
        results = in_order(executor, lambda task: 1 // task, [2, 1, 0, 1], 2)
        assert [next(results), next(results)] == [0, 1]
        with pytest.raises(ZeroDivisionError):
            next(results)


STUCK = """
import threading, time
from stages.common.errors import run
from stages.common.processes import pool

def fail():
    raise RuntimeError("can't start new thread")

def main():
    with pool(2) as executor:
        executor.submit(time.sleep, 3_600)
        threading.Thread(target=fail).start()
        threading.Event().wait()  # for ever

run(main)
"""


def test_a_thread_that_fails_is_not_waited_for() -> None:
    """So a pool fails that has no memory for its threads."""
    done = subprocess.run(
        [sys.executable, "-c", STUCK],
        capture_output=True, text=True, cwd=ROOT, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == f"error: {MEMORY_MESSAGE}\n"
