"""Optimizers and gradient clipping for networks whose embeddings have sparse gradients."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from stages.imdb.models.device import device_of, supports_sparse

BETAS = (0.9, 0.99)  # of Adam; 0.99 instead of 0.999 forgets the warm-up sooner
MAX_GRAD_NORM = 1.0  # the gradient of an LSTM can explode (Pascanu et al. 2013)


class SparseAdam(torch.optim.Optimizer):
    """Adam (Kingma & Ba 2015, the form at the end of section 2) for row-sparse gradients.

    Most rows of an embedding matrix do not occur in a batch. Only the rows that do are updated,
    and only their moments; the bias correction counts the steps of the whole matrix. This is what
    `torch.optim.SparseAdam` computes, except for rounding. With PyTorch's, a training step of the
    mean takes 1.27 times as long, and of the LSTM 1.03 times (Intel Xeon with AMX, one thread,
    medians of 9 rounds of `python -m benchmarks.optim`).

    A dense gradient gives the same result: its rows of zeros are those that do not occur. Adam
    itself would move them too, by their old moments, and the update of a rare word would be about
    ten times as large.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        """`params`: float32 [rows × width] each, with gradients that are sparse in the rows."""
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update the rows that have a gradient."""
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                if weight.grad.is_sparse:
                    gradient = weight.grad.coalesce()  # one row per word
                    rows, g = gradient.indices()[0], gradient.values()
                else:
                    rows = weight.grad.any(dim=1).nonzero().squeeze(1)
                    g = weight.grad.index_select(0, rows)
                state = self.state[weight]
                if not state:
                    state["step"] = 0
                    state["exp_avg"] = torch.zeros_like(weight)
                    state["exp_avg_sq"] = torch.zeros_like(weight)
                state["step"] += 1
                m = state["exp_avg"].index_select(0, rows).lerp_(g, 1 - beta1)
                v = state["exp_avg_sq"].index_select(0, rows).mul_(beta2)
                v.addcmul_(g, g, value=1 - beta2)
                state["exp_avg"].index_copy_(0, rows, m)
                state["exp_avg_sq"].index_copy_(0, rows, v)
                correction = math.sqrt(1 - beta2 ** state["step"]) / (1 - beta1 ** state["step"])
                updated = weight.index_select(0, rows)
                updated.addcdiv_(m, v.sqrt_().add_(group["eps"]), value=-group["lr"] * correction)
                weight.index_copy_(0, rows, updated)


def build_optimizers(network: nn.Module) -> list[torch.optim.Optimizer]:
    """Return Adam for the dense weights and SparseAdam for the sparse embeddings, if there are any.

    On devices without sparse gradients, those of the embeddings become dense, but only the rows
    that occur are updated there too.
    """
    embeddings = [m for m in network.modules() if isinstance(m, nn.Embedding) and m.sparse]
    for embedding in embeddings:
        embedding.sparse = supports_sparse(device_of(network))
    sparse = [embedding.weight for embedding in embeddings]
    dense = [p for p in network.parameters() if all(p is not weight for weight in sparse)]
    optimizers: list[torch.optim.Optimizer] = [torch.optim.Adam(dense, betas=BETAS, fused=True)]
    if sparse:
        optimizers.append(SparseAdam(sparse, betas=BETAS))
    return optimizers


def step(optimizers: list[torch.optim.Optimizer], lr: float) -> None:
    """Update the weights with a learning rate, then delete their gradients."""
    for optimizer in optimizers:
        optimizer.param_groups[0]["lr"] = lr
        optimizer.step()
        optimizer.zero_grad()


def clip_grad_norm(network: nn.Module) -> None:
    """Scale the gradient in place so that its norm is at most MAX_GRAD_NORM.

    `torch.nn.utils.clip_grad_norm_` does not accept sparse gradients.
    """
    gradients = []
    for parameter in network.parameters():
        if parameter.grad is None:
            continue
        if parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()  # one row per word
            gradients.append(parameter.grad.values())
        else:
            gradients.append(parameter.grad)
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    scale = (MAX_GRAD_NORM / (norm + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(scale)
