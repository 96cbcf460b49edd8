"""Where a network runs, and the data type that is fastest there for matrix products."""

import os
from pathlib import Path

import torch
from torch import nn

from stages.common.errors import UserError

CPU = torch.device("cpu")


def get_device(name: str) -> torch.device:
    """Return the device for the parameter `imdb.train.device`.

    With several GPUs, each process uses the one numbered LOCAL_RANK.

    Args:
        name: cpu, cuda, mps, or auto: cuda if there is one, else cpu.

    Raises:
        UserError: If this machine has no such device, or none for this process.
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.mps.is_available()}
    if name == "auto":
        name = "cuda" if available["cuda"] else "cpu"
    if not available[name]:
        allowed = ", ".join(["auto", *(each for each in available if available[each])])
        raise UserError(
            f"imdb.train.device = {name!r}: PyTorch {torch.__version__} finds no such device on"
            f" this machine; use one of {allowed}"
        )
    if name != "cuda":
        return torch.device(name)
    # cuBLAS is deterministic only with such a workspace. It reads the variable at its first use.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    if local_rank >= torch.cuda.device_count():
        raise UserError(
            f"imdb.train.num_processes: there are more processes than the"
            f" {torch.cuda.device_count()} GPUs of this machine; use {torch.cuda.device_count()},"
            " or imdb.train.device = 'cpu'"
        )
    device = torch.device("cuda", local_rank)
    torch.cuda.set_device(device)
    return device


def device_of(network: nn.Module) -> torch.device:
    """Return the device of a network's weights."""
    return next(network.parameters()).device


def supports_sparse(device: torch.device) -> bool:
    """Return True if embeddings may have sparse gradients: NCCL and MPS do not support them."""
    return device.type == "cpu"


def has_fast_bf16(device: torch.device) -> bool:
    """Return True if matrix products in bfloat16 are faster than in float32.

    On a CPU this depends on the processor alone, so that results are reproducible. AMX is faster.
    AVX-512 BF16 is faster on AMD processors (EPYC, Zen 5). On an Intel processor with AVX-512 BF16
    but without AMX (Xeon, Emerald Rapids, in a virtual machine) a product of 1024 × 1024 matrices
    ran at 84 GFLOP/s in bfloat16 and at 159 GFLOP/s in float32.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    amd = torch.cpu._is_avx512_bf16_supported() and "AuthenticAMD" in _cpuinfo()
    return bool(torch.cpu._is_amx_tile_supported() or amd)


def _cpuinfo() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text("utf-8", errors="replace") if path.exists() else ""


def get_matmul_dtype(precision: str, device: torch.device) -> torch.dtype:
    """Return the data type of matrix products for the parameter `imdb.train.precision`.

    Args:
        precision: float32, bfloat16, or auto: bfloat16 where it is faster (`has_fast_bf16`).
        device: Where the network runs.
    """
    if precision == "auto":
        return torch.bfloat16 if has_fast_bf16(device) else torch.float32
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Return a context in which matrix products are computed in `dtype`.

    Weights, gradients and the optimizer stay in float32 (Micikevicius et al. 2018, "Mixed Precision
    Training").
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16)


def seed_everything(seed: int) -> None:
    """Seed PyTorch and allow only deterministic algorithms."""
    torch.manual_seed(seed)
    # Like torch.use_deterministic_algorithms(True), which also imports 70 MiB of compiler.
    torch.set_deterministic_debug_mode("error")
    # Filling new memory with NaN finds bugs but costs a tenth of the time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
