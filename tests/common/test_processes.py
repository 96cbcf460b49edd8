"""Process pools: the order of results, bounded memory, killed workers and killed parents."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from stages.common.processes import map_bounded
from tests.clone import ROOT


@pytest.mark.parametrize("buffersize", [1, 3, 50])
def test_map_bounded_keeps_the_order_and_the_bound(buffersize: int) -> None:
    started: list[int] = []

    def square(task: int) -> int:
        started.append(task)
        time.sleep(0.01 * (task % 3 == 0))
        return task * task

    with ThreadPoolExecutor(3) as executor:
        results = map_bounded(executor, square, iter(range(20)), buffersize)
        for n_results, result in enumerate(results):
            assert result == n_results**2
            assert len(started) <= n_results + buffersize
    assert sorted(started) == list(range(20))


# A script because a spawned worker imports the main module. {body} uses `executor`.
SCRIPT = """
import os, signal, sys, time
from stages.common.errors import UserError, run_main
from stages.common.processes import process_pool

if __name__ == "__mp_main__":
    time.sleep({startup})  # of a worker, such as the import of a large library

def fail(message):
    raise UserError(message)

def kill_self():
    os.kill(os.getpid(), signal.SIGKILL)

def set_value(value):
    global VALUE
    VALUE = value

def get_value():
    return VALUE

def main():
    with process_pool(2, set_value, 7) as executor:
        {body}

if __name__ == "__main__":
    run_main(main)
"""


def start(folder: Path, body: str, startup: float = 0.0) -> "subprocess.Popen[str]":
    (folder / "script.py").write_text(SCRIPT.format(body=body, startup=startup))
    return subprocess.Popen(
        [sys.executable, str(folder / "script.py")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=ROOT, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("executor.submit(kill_self).result()", "a worker process was killed, probably because"),
        ("executor.submit(fail, 'a.csv: empty').result()", "a.csv: empty"),
        ("raise UserError('a.csv: empty')", "a.csv: empty"),
    ],
    ids=["killed worker", "error in worker", "error in parent"],
)
def test_a_failure_is_one_line_and_ends_busy_workers(
    tmp_path: Path, body: str, message: str
) -> None:
    process = start(tmp_path, f"executor.submit(time.sleep, 600); {body}")
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert stdout == ""
    assert stderr.startswith(f"error: {message}")
    assert stderr.count("\n") == 1


def test_a_failure_ends_workers_that_send_results(tmp_path: Path) -> None:
    """One of two workers with large results is always killed in the middle of one."""
    process = start(
        tmp_path,
        "tasks = [executor.submit(bytes, 2**28) for _ in range(20)];"
        "tasks[0].result(); raise UserError('a.csv: empty')",
    )
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert stderr == "error: a.csv: empty\n"


def test_a_bug_in_a_worker_keeps_its_traceback(tmp_path: Path) -> None:
    process = start(tmp_path, "executor.submit(int, 'x').result()")
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Traceback" in stderr
    assert "ValueError: invalid literal" in stderr


@pytest.mark.parametrize(("sig", "startup"), [("KILL", 0.0), ("TERM", 0.0), ("KILL", 2.0)])
def test_workers_end_with_their_parent(tmp_path: Path, sig: str, startup: float) -> None:
    """Also while they are starting, before they watch their parent."""
    body = (
        "tasks = [executor.submit(time.sleep, 600) for _ in range(2)];"
        "print('submitted', flush=True); tasks[0].result()"
    )
    process = start(tmp_path, body, startup)
    assert process.stdout
    assert process.stdout.readline() == "submitted\n"
    time.sleep(1)
    workers = psutil.Process(process.pid).children(recursive=True)
    assert len(workers) >= 2
    process.kill() if sig == "KILL" else process.terminate()
    process.communicate(timeout=60)
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive
