"""How a stage ends: errors of the user, bugs, signals, full disks and missing memory."""

import errno
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.common.errors import UserError, format_user_error, run_main
from tests.clone import ROOT


@pytest.fixture(autouse=True)
def _restore_sigterm() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


def raise_in_main(error: BaseException) -> None:
    def main() -> None:
        raise error

    run_main(main)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (UserError("a.csv: empty"), "error: a.csv: empty"),
        (OSError(errno.ENOSPC, "No space left on device", "data/x"), "no space left on the disk"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "data/x"), "no space left on the disk"),
        (OSError("Not enough free space to write 9 bytes"), "no space left on the disk"),
        (OSError("4096 requested and 17 written"), "no space left on the disk"),
        (PermissionError(13, "Permission denied", "data/x"), "error: data/x: Permission denied"),
        (MemoryError(), "out of memory"),
    ],
)
def test_an_error_of_the_user_is_one_line(error: Exception, message: str) -> None:
    with pytest.raises(SystemExit, match=f"^.*{re.escape(message)}.*$") as caught:
        raise_in_main(error)
    assert str(caught.value.code).startswith("error: ")
    assert "\n" not in str(caught.value.code)


def test_a_full_device_is_one_line() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with pytest.raises(SystemExit, match="no space left on the disk"):
        run_main(lambda: print(Path("/dev/full").write_text("x")))


@pytest.mark.parametrize(
    "error",
    [
        KeyError("bug"),
        OSError("no file name"),
        RuntimeError("could not create a primitive descriptor"),  # oneDNN: unsupported operation
    ],
)
def test_a_bug_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)):
        raise_in_main(error)


@pytest.mark.parametrize(
    "error",
    [
        UserError("\x1b[31mred\x9b\u202e"),
        FileNotFoundError(2, "No such file", "\x1b[31mred\x9b\u202e"),
    ],
)
def test_control_characters_are_escaped(error: Exception) -> None:
    message = format_user_error(error)
    assert message is not None
    assert message.isprintable()
    assert r"\x1b[31mred\x9b\u202e" in message


def test_a_message_may_have_several_lines() -> None:
    assert format_user_error(UserError("a\nb")) == "a\nb"


def python(code: str, **environment: str) -> "subprocess.Popen[str]":
    inherited = {
        key: value for key, value in os.environ.items() if key not in {"DVC_STAGE", "RANK"}
    }
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env={**inherited, **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


# A job in the background of a shell ignores SIGINT, and so would its children.
WAIT = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from stages.common.errors import run_main

def main():
    try:
        print("started", flush=True)
        time.sleep(600)
    finally:
        print("cleaned up")

run_main(main)
"""


def wait_for_start(process: "subprocess.Popen[str]") -> None:
    assert process.stdout
    assert process.stdout.readline() == "started\n"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, ""),
        ({"DVC_STAGE": "mean"}, "interrupted; run the same command again to continue"),
        ({"DVC_STAGE": "mean", "RANK": "1"}, ""),
    ],
)
def test_ctrl_c(environment: dict[str, str], message: str) -> None:
    process = python(WAIT, **environment)
    wait_for_start(process)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stdout == "cleaned up\n"
    assert stderr.startswith(message)
    assert len(stderr.splitlines()) == bool(message)


def test_sigterm_cleans_up_and_prints_nothing() -> None:
    process = python(WAIT)
    wait_for_start(process)
    process.terminate()
    assert process.communicate() == ("cleaned up\n", "")
    assert process.returncode == 128 + signal.SIGTERM


def test_a_closed_pipe_is_no_error() -> None:
    process = python(
        "from stages.common.errors import run_main\n"
        "run_main(lambda: [print('x' * 1000, flush=True) for _ in range(10_000)])"
    )
    assert process.stdout
    assert process.stderr
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 0
