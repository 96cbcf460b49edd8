"""Memory that a library needs and does not ask for politely."""

import mmap

SCIKIT_LEARN = 1 << 28  # bytes that its import takes, with SciPy and OpenBLAS


def must_be_free(size: int) -> None:
    """See that so many bytes could be had; OpenBLAS, where there are none, asks again for ever.

    Raises:
        OSError: when they could not.
    """
    mmap.mmap(-1, size).close()
