"""Where a network is trained, and the arithmetic that is fastest there: bfloat16 if it has it."""

import ctypes
import os
import sys

import torch
from torch import nn

from stages.common.errors import StageError

CPU = torch.device("cpu")


def choose(name: str) -> torch.device:
    """The device of the parameter `imdb.train.device`: a name of PyTorch's, or `auto`.

    Of several graphics cards in a machine each of its processes, as torchrun numbers them, has its
    own.

    Raises:
        StageError: when there is no such device here, or not one for this process.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.mps.is_available()}
    if name == "auto":
        name = "cuda" if there["cuda"] else "cpu"
    if not there[name]:
        allowed = ", ".join(["auto", *(each for each in there if there[each])])
        raise StageError(
            f"imdb.train.device = {name!r}: PyTorch {torch.__version__} finds none on this machine;"
            f" allowed here: {allowed}"
        )
    if name != "cuda":
        return torch.device(name)
    # cuBLAS gives the same bits again only in such a workspace. It looks when it is first used.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    number = int(os.environ.get("LOCAL_RANK", "0"))
    if number >= torch.cuda.device_count():
        raise StageError(
            f"imdb.train.processes: process {number + 1} of this machine has no graphics card of"
            f" its own; allowed here: {torch.cuda.device_count()}, or imdb.train.device = 'cpu'"
        )
    device = torch.device("cuda", number)
    torch.cuda.set_device(device)
    return device


def device_of(network: nn.Module) -> torch.device:
    """Where the network's weights are, and its batches must be."""
    return next(network.parameters()).device


def has_sparse(device: torch.device) -> bool:
    """Whether gradients may be sparse there: PyTorch's support for them on a Mac's GPU is young."""
    return device.type != "mps"


def has_bfloat16(device: torch.device = CPU) -> bool:
    """Whether the device multiplies matrices of bfloat16 natively (a CPU: AVX-512 BF16 or AMX)."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())


def autocast(device: torch.device) -> torch.autocast:
    """A context in which matrix products run in bfloat16, if that is fast, and else in float32.

    The weights, the gradients and the optimiser stay in float32 (Micikevicius et al. 2018, "Mixed
    Precision Training").
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device))


def fast_dtype(device: torch.device) -> torch.dtype:
    """The type for matrix products where autocast does not reach."""
    return torch.bfloat16 if has_bfloat16(device) else torch.float32


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
