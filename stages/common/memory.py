"""Memory that a library needs and does not ask for politely."""

import mmap

SCIKIT_LEARN = 1 << 28  # bytes that its import takes, with SciPy and OpenBLAS
OPENBLAS = 1 << 26  # bytes; it takes half of them at its first use, and keeps them


def must_be_free(size: int) -> None:
    """See that so many bytes could be had.

    OpenBLAS, where there are none, asks again for ever or ends the process.

    Raises:
        OSError: when they could not.
    """
    mmap.mmap(-1, size).close()
