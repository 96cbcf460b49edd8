"""One kind of error for everything a user can mend, and the one place where it is told."""

import errno
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable

# NumPy and safetensors lose the number of the system's error, and keep only its words.
DISK_FULL = re.compile(
    r"no space left|not enough free space|quota exceeded|\d+ requested and \d+ written",
    re.IGNORECASE,
)

# So PyTorch and the system tell that there is no memory; Python itself raises MemoryError.
OUT_OF_MEMORY = re.compile(
    r"can(no|')t allocate memory|bad_alloc|can't start new thread|failed to map segment",
    re.IGNORECASE,
)
MEMORY_MESSAGE = (
    "error: out of memory; close other programs, or lower the batch or vocabulary sizes in"
    " params.yaml"
)


class StageError(Exception):
    """Something the user can mend; the message names the file or key, the value and the mend."""


def run(main: Callable[[], None]) -> None:
    """Run a stage's `main`; a problem of the user's becomes one line on stderr and exit code 1.

    A bug keeps its traceback: only errors whose cause lies outside the code are made short. When
    told to end (SIGTERM) it tidies up before it does.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if "DVC_STAGE" in os.environ:
        threading.Thread(target=_end_with, args=[os.getppid()], daemon=True).start()
    try:
        main()
    except StageError as error:
        sys.exit(f"error: {_printable(str(error))}")
    except MemoryError:
        sys.exit(MEMORY_MESSAGE)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # whoever read our output, `head` say, has enough
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        if DISK_FULL.search(str(error)) or getattr(error, "errno", None) == errno.EDQUOT:
            sys.exit("error: no space left on the disk; free some and run again")
        if OUT_OF_MEMORY.search(str(error)):
            sys.exit(MEMORY_MESSAGE)
        if isinstance(error, OSError) and error.filename is not None:
            sys.exit(_printable(f"error: {error.filename}: {error.strerror}"))
        raise


def _printable(message: str) -> str:
    """Escape what a terminal would take for a command: messages quote files and addresses."""
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in message
    )


def _end_with(parent: int) -> None:
    """End when the parent has, so that the next `dvc repro` does not meet this stage."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
