"""One kind of error for everything a user can mend, and the one place where it is told."""

import errno
import sys
from collections.abc import Callable


class StageError(Exception):
    """Something the user can mend; the message names the file or key, the value and the mend."""


def run(main: Callable[[], None]) -> None:
    """Run a stage's `main`; a problem of the user's becomes one line on stderr and exit code 1.

    A bug keeps its traceback: only errors whose cause lies outside the code are made short.
    """
    try:
        main()
    except StageError as error:
        sys.exit(f"error: {error}")
    except MemoryError:
        sys.exit(
            "error: out of memory; close other programs, or lower the batch or vocabulary sizes"
            " in params.yaml"
        )
    except OSError as error:
        if error.errno == errno.ENOSPC:
            sys.exit("error: no space left on the disk; free some and run again")
        if error.filename is None:
            raise
        sys.exit(f"error: {error.filename}: {error.strerror}")
    except KeyboardInterrupt:
        sys.exit(130)
