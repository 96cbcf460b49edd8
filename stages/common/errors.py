"""One kind of error for everything a user can mend, and the one place where it is told."""

import errno
import multiprocessing
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

import psutil

from stages.common.memory import reserve

# NumPy and safetensors lose the number of the system's error, and keep only its words.
DISK_FULL = re.compile(
    r"no space left|not enough free space|quota exceeded|\d+ requested and \d+ written",
    re.IGNORECASE,
)

# So PyTorch, oneDNN, Arrow and the system tell that there is no memory, or none for another thread;
# Python itself raises MemoryError.
OUT_OF_MEMORY = re.compile(
    r"can(no|')t allocate memory|bad_alloc|failed to map segment|could not create a primitive"
    r"|can't start new thread|failed to launch worker thread",
    re.IGNORECASE,
)
MEMORY_MESSAGE = (
    "out of memory; close other programs, or lower the batch or vocabulary sizes in params.yaml"
)


class StageError(Exception):
    """Something the user can mend; the message names the file or key, the value and the mend."""


def run(main: Callable[[], None]) -> None:
    """Run a stage's `main`; a problem of the user's becomes one line on stderr and exit code 1.

    A bug keeps its traceback: only errors whose cause lies outside the code are made short. When
    told to end (SIGTERM), or when a thread fails, it tidies up before it does.
    """
    signal.signal(signal.SIGTERM, _end)
    threading.excepthook = _thread_failed
    if "DVC_STAGE" in os.environ:
        end_with_parent(_child_of_dvc())
    try:
        reserve()
        main()
    except KeyboardInterrupt:
        if "DVC_STAGE" in os.environ and os.environ.get("RANK", "0") == "0":  # one word is enough
            print(
                "stopped; the same command goes on: stages that have ended are kept, and a training"
                " resumes from its last checkpoint, if it was there long enough for one",
                file=sys.stderr,
            )
        sys.exit(130)
    except BrokenPipeError:  # whoever read our output, `head` say, has enough
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        _kill_children()
        if told := message(error):
            sys.exit(f"error: {told}")
        raise


_failures: list[BaseException] = []  # of threads


def _thread_failed(failure: threading.ExceptHookArgs) -> None:
    """As `threading.excepthook`: whoever waits for what the thread did would wait for ever.

    For want of memory it happens to those that libraries start, as a pool of processes does.
    """
    _failures.append(failure.exc_value or RuntimeError("a thread failed"))
    os.kill(os.getpid(), signal.SIGTERM)  # which the main thread deals with, also while it waits


def _end(*_: object) -> None:
    """End as told, or for a thread's failure; once more does not disturb the tidying up."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if _failures:
        _kill_children()  # nobody is left to tell them that there is no more work
        raise _failures[0]
    sys.exit(128 + signal.SIGTERM)


def _kill_children() -> None:
    """End the processes that worked for this one; what they would say of it explains nothing."""
    for process in multiprocessing.active_children():
        process.kill()


def message(error: Exception) -> str | None:
    """What to tell the user of an error; None of a bug."""
    said = str(error)
    if _out_of_memory(error):
        return MEMORY_MESSAGE  # also where it is taken for another problem: a damaged file, say
    if isinstance(error, StageError):
        return _printable(said)
    if DISK_FULL.search(said) or getattr(error, "errno", None) == errno.EDQUOT:
        return "no space left on the disk; free some and run again"
    if isinstance(error, OSError) and error.filename is not None:
        return _printable(f"{error.filename}: {error.strerror}")
    return None


def tell_memory(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """As `sys.excepthook`: that there is no memory is one line also before a `main` runs."""
    if _out_of_memory(error):
        print(f"error: {MEMORY_MESSAGE}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)


def _out_of_memory(error: BaseException | None) -> bool:
    """Whether it was for want of memory, or came of tidying up after an error that was."""
    if error is None:
        return False
    return (
        isinstance(error, MemoryError)
        or bool(OUT_OF_MEMORY.search(str(error)))
        or _out_of_memory(error.__context__)
    )


def _printable(message: str) -> str:
    """Escape what a terminal would take for a command: messages quote files and addresses."""
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in message
    )


def _child_of_dvc() -> psutil.Process:
    """The process that DVC started for this stage.

    DVC starts it by a shell. bash makes way for the stage; dash stays in between. And a stage may
    have started us, to train together.
    """
    child = psutil.Process()
    with suppress(psutil.NoSuchProcess):
        for parent in child.parents():
            if "-m stages." not in " ".join(parent.cmdline()):
                break
            child = parent
    return child


def end_with_parent(child: psutil.Process) -> None:
    """Have this process end when the child's parent has: one that was killed sends no word."""
    parent = child.ppid()

    def watch() -> None:
        with suppress(psutil.NoSuchProcess):
            while child.ppid() == parent:
                time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
