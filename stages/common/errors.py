"""The entry point of every stage, and how it reports errors that the user can fix."""

import multiprocessing
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

# NumPy and safetensors drop the error number of a full disk and keep only its text.
DISK_FULL = re.compile(
    r"no space left|not enough free space|quota exceeded|\d+ requested and \d+ written",
    re.IGNORECASE,
)


class UserError(Exception):
    """An error the user can fix. The message names the file or key, the bad value, and the fix."""


def run_main(main: Callable[[], None]) -> None:
    """Run the `main` function of a stage.

    An error the user can fix becomes one line on stderr and exit code 1. A bug keeps its traceback.
    On SIGTERM the stage cleans up before it exits.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if "DVC_STAGE" in os.environ:
        exit_with_parent(_stage_process())
    try:
        main()
    except KeyboardInterrupt:
        if "DVC_STAGE" in os.environ and os.environ.get("RANK", "0") == "0":
            print(
                "interrupted; run the same command again to continue: finished stages are kept and"
                " a training resumes from its last checkpoint",
                file=sys.stderr,
            )
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output, such as `head`, has closed it
        # Python flushes stdout when it exits, which would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if text := format_user_error(error):
            sys.exit(f"error: {text}")
        raise
    finally:
        for process in multiprocessing.active_children():
            process.kill()


def format_user_error(error: Exception) -> str | None:
    """Return the message for an error that the user can fix, or None for a bug."""
    text = str(error)
    if isinstance(error, UserError):
        return _escape_control_chars(text)
    if isinstance(error, MemoryError):
        return "out of memory; close other programs, or lower batch_size or vocabulary.size"
    if DISK_FULL.search(text):
        return "no space left on the disk; free some and run again"
    if isinstance(error, OSError) and error.filename is not None:
        return _escape_control_chars(f"{error.filename}: {error.strerror}")
    return None


def _escape_control_chars(text: str) -> str:
    """Escape control characters: messages quote files and servers, and a terminal obeys them."""
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text
    )


def _stage_process() -> psutil.Process:
    """Return the process that DVC started for this stage: a shell, or this process itself."""
    process = psutil.Process()
    with suppress(psutil.NoSuchProcess):
        for parent in process.parents():
            if "-m stages." not in " ".join(parent.cmdline()):
                break
            process = parent
    return process


def exit_with_parent(process: psutil.Process, parent: int | None = None) -> None:
    """Send SIGTERM to this process when the parent of `process` exits, even if it was killed.

    Args:
        process: This process, or an ancestor of it.
        parent: Process id of the parent, which may have exited already. None: the present parent.
    """
    if parent is None:
        parent = process.ppid()

    def watch() -> None:
        with suppress(psutil.NoSuchProcess):
            while process.ppid() == parent:
                time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
