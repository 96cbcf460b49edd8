"""The arithmetic this processor does fastest: bfloat16 where it has instructions for it."""

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


def deterministic(seed: int) -> None:
    """Seed PyTorch and keep it to algorithms that give the same bits again."""
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
