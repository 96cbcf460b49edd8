"""The arithmetic this processor does fastest: bfloat16 where it has instructions for it."""

import ctypes
import os
import sys

import torch


def has_bfloat16() -> bool:
    """Whether the processor multiplies matrices of bfloat16 natively (AVX-512 BF16 or AMX)."""
    return bool(torch.cpu._is_avx512_bf16_supported())


def autocast() -> torch.autocast:
    """A context in which matrix products run in bfloat16, if that is fast, and else in float32.

    The weights, the gradients and the optimiser stay in float32 (Micikevicius et al. 2018, "Mixed
    Precision Training").
    """
    return torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16())


def fast_dtype() -> torch.dtype:
    """The type for matrix products where autocast does not reach."""
    return torch.bfloat16 if has_bfloat16() else torch.float32


def deterministic(seed: int) -> None:
    """Seed PyTorch and keep it to algorithms that give the same bits again."""
    torch.manual_seed(seed)
    # As `use_deterministic_algorithms` does, which also imports 70 MiB of a compiler.
    torch.set_deterministic_debug_mode("error")
    # Filling fresh memory with NaN is for finding bugs; it costs a tenth of the time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


# PyTorch's LSTM comes from oneDNN, which prepares itself for every shape of batch that it meets,
# and remembers a thousand of these preparations: with batches of any length that is a gigabyte
# before long, and no faster.
_FORGET = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "0"}

# The environment of processes that train side by side: memory anew for every batch, but from the
# system in large pages. That is nearly as fast as `keep_memory`, and each takes a tenth less.
LARGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:glibc.malloc.arena_max=1", **_FORGET}


def keep_memory() -> None:
    """Keep freed memory for the next batch. It changes no result.

    Each batch allocates the same hundreds of megabytes; by default glibc gives them back to the
    system at once, and every page is cleared anew. Keeping them makes an LSTM's training 1.25 times
    as fast. On other C libraries that does nothing. To be called before the first batch.
    """
    os.environ |= _FORGET
    if sys.platform != "linux" or not hasattr(libc := ctypes.CDLL(None), "mallopt"):
        return
    m_trim_threshold, m_top_pad, m_mmap_max = -1, -2, -4  # of glibc's malloc.h
    libc.mallopt(m_mmap_max, 0)
    libc.mallopt(m_trim_threshold, 2**31 - 1)
    libc.mallopt(m_top_pad, 1 << 28)
