"""Memory that a library needs and does not ask for politely."""

import mmap
import sys

# Bytes that an import takes. Without them OpenBLAS, in NumPy and scikit-learn, asks again for ever
# or ends the process, and so does PyTorch's C++; what is left of pandas or Arrow fails later.
NEEDED = {
    "numpy": 128 << 20,
    "pandas": 256 << 20,
    "pyarrow": 256 << 20,
    "sklearn": 256 << 20,
    "torch": 600 << 20,
}
OPENBLAS = 64 << 20  # bytes; it takes half of them at its first use, and keeps them


class Guard:
    """Stands before the other finders of modules, and lets none of NEEDED in without its memory."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        """See to the memory; the finding is left to the others.

        Raises:
            OSError: when it could not be had.
        """
        must_be_free(NEEDED.get(name, 0))


def guard_imports() -> None:
    """Have every import of a library of NEEDED look first whether there is memory for it."""
    sys.meta_path.insert(0, Guard)


def must_be_free(size: int) -> None:
    """See that so many bytes could be had.

    Raises:
        OSError: when they could not.
    """
    if size:
        mmap.mmap(-1, size).close()


def reserve() -> None:
    """Have NumPy's OpenBLAS take its working memory now, while it is known to be there.

    Raises:
        OSError: when it is not.
    """
    import numpy as np

    must_be_free(OPENBLAS)
    np.linalg.inv(np.eye(2))
