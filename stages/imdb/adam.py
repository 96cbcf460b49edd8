"""A step of training: the gradient clipped, and Adam, which moves only the rows that have one."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from stages.imdb.device import device_of, has_sparse

BETAS = (0.9, 0.99)  # of Adam; the short memory of the second forgets the warm-up sooner
CLIP = 1.0  # norm of the gradient: an LSTM's can explode (Pascanu et al. 2013)


class RowAdam(torch.optim.Optimizer):
    """Adam (Kingma & Ba 2015, in the form at the end of section 2), of the rows with a gradient.

    Most rows of an embedding matrix are not in a batch; to go through them all takes longer. The
    moments of a row stand still while it has no gradient; the steps that the bias is corrected for
    are the matrix's. PyTorch's `SparseAdam` computes the same but for the rounding, by adding whole
    sparse matrices; here the rows are gathered, moved and put back, which takes less time.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        """`parameters`: floats [rows × width] each, with gradients that are sparse in the rows."""
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move the rows along their gradients.

        Raises:
            RuntimeError: when a gradient is not sparse.
        """
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                gradient = matrix.grad.coalesce()  # a row once, however often it is in the batch
                rows, g = gradient.indices()[0], gradient.values()
                state = self.state[matrix]
                if not state:
                    state["step"] = 0
                    state["exp_avg"] = torch.zeros_like(matrix)
                    state["exp_avg_sq"] = torch.zeros_like(matrix)
                state["step"] += 1
                m = state["exp_avg"].index_select(0, rows).lerp_(g, 1 - beta1)
                v = state["exp_avg_sq"].index_select(0, rows).mul_(beta2)
                v.addcmul_(g, g, value=1 - beta2)
                state["exp_avg"].index_copy_(0, rows, m)
                state["exp_avg_sq"].index_copy_(0, rows, v)
                unbias = math.sqrt(1 - beta2 ** state["step"]) / (1 - beta1 ** state["step"])
                moved = matrix.index_select(0, rows)
                moved.addcdiv_(m, v.sqrt_().add_(group["eps"]), value=-group["lr"] * unbias)
                matrix.index_copy_(0, rows, moved)


def optimizers_of(network: nn.Module) -> list[torch.optim.Optimizer]:
    """Adam (Kingma & Ba 2015); of embedding matrices that are `sparse` only the batch's rows."""
    device = device_of(network)
    embeddings = [m for m in network.modules() if isinstance(m, nn.Embedding) and m.sparse]
    for embedding in embeddings:
        embedding.sparse = has_sparse(device)
    sparse = [embedding.weight for embedding in embeddings if embedding.sparse]
    dense = [p for p in network.parameters() if all(p is not weight for weight in sparse)]
    optimizers: list[torch.optim.Optimizer] = [torch.optim.Adam(dense, betas=BETAS, fused=True)]
    if sparse:
        optimizers.append(RowAdam(sparse, betas=BETAS))
    return optimizers


def clip(network: nn.Module) -> None:
    """Shorten the gradient, all of it as one vector, to CLIP if it is longer.

    PyTorch's own function does not take the sparse ones.
    """
    gradients = []
    for parameter in network.parameters():
        if parameter.grad is None:
            continue
        if parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()  # a row a word, wherever it stands
            gradients.append(parameter.grad.values())
        else:
            gradients.append(parameter.grad)
    length = torch.stack([gradient.norm() for gradient in gradients]).norm()
    for gradient in gradients:
        gradient.mul_((CLIP / (length + 1e-6)).clamp(max=1.0))
