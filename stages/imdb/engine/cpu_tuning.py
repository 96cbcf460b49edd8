"""Settings of oneDNN and glibc's malloc for training. They change the speed, not the results."""

import ctypes
import os
import sys

# On a CPU, PyTorch computes the LSTM and products in bfloat16 by oneDNN, which compiles a kernel
# for each shape and keeps a thousand of them. With batches of all lengths that costs a gigabyte. A
# small cache is enough for the shapes that recur in every step: without it, the language model
# takes 9 times as long on two threads of an AMD EPYC, and with the default size 1.15 times.
ONEDNN_ENV = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "32"}

# Environment of worker processes that train side by side. Memory comes from the system in large
# pages: nearly as fast as `tune_cpu`, and each process takes a tenth less memory.
HUGEPAGES_ENV = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:glibc.malloc.arena_max=1",
    **ONEDNN_ENV,
}


def tune_cpu() -> None:
    """Keep freed memory for the next batch, and set oneDNN's cache. Call it before the first batch.

    Every batch allocates the same hundreds of megabytes. By default glibc returns them to the
    system, which then clears every page again. Keeping them makes the training of an LSTM 1.25
    times as fast. On other C libraries this does nothing.
    """
    os.environ |= ONEDNN_ENV  # oneDNN reads it at its first use
    if sys.platform != "linux" or not hasattr(libc := ctypes.CDLL(None), "mallopt"):
        return
    m_trim_threshold, m_top_pad, m_mmap_max = -1, -2, -4  # from glibc's malloc.h
    libc.mallopt(m_mmap_max, 0)
    libc.mallopt(m_trim_threshold, 2**31 - 1)
    libc.mallopt(m_top_pad, 1 << 28)
