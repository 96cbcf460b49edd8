"""Memory that a library needs and does not ask for politely."""

import mmap

NUMPY = 1 << 27  # bytes that its import takes, with OpenBLAS
SCIKIT_LEARN = 1 << 28  # bytes that its import takes, with SciPy
OPENBLAS = 1 << 26  # bytes; it takes half of them at its first use, and keeps them


def must_be_free(size: int) -> None:
    """See that so many bytes could be had.

    OpenBLAS, where there are none, asks again for ever or ends the process.

    Raises:
        OSError: when they could not.
    """
    mmap.mmap(-1, size).close()


def reserve() -> None:
    """Have NumPy's OpenBLAS take its working memory now, while it is known to be there.

    Raises:
        OSError: when it is not.
    """
    import numpy as np  # which `stages` sees to the memory for

    must_be_free(OPENBLAS)
    np.linalg.inv(np.eye(2))
