"""Follow PyTorch's record of the forward pass, and compare it with the lines of `backward`."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from stages.mlp_numpy.model import Array, Weights


class Visit(NamedTuple):
    """A gradient that a node of the record passes on."""

    node: str  # the name of the node, such as MmBackward0
    to: str  # the name of the next node, or of the weight
    gradient: Array
    symbol: str  # the variable of `backward` with the same values; empty if there is none
    transposed: bool  # whether the values are those of the transpose
    first: bool  # whether no node before this one passed it on


def walk(L: Tensor, parameters: Sequence[Tensor], by_hand: dict[str, Array]) -> list[Visit]:
    """Run `L.backward()` and return the gradients in the order in which autograd computes them.

    Args:
        L: The loss.
        parameters: W1, b1, W2 and b2, or the tensors of which they are transposes.
        by_hand: The variables of `backward`, such as dZ2, by name.
    """
    visits: list[Visit] = []
    names = dict(zip(map(id, parameters), Weights._fields, strict=True))

    def name_of(node: Any) -> str:
        return names[id(node.variable)] if hasattr(node, "variable") else node.name()

    def on_node(node: Any) -> Callable[[Any, Any], None]:
        def record(outputs: Sequence[Tensor | None], _: Any) -> None:
            for (target, _number), gradient in zip(node.next_functions, outputs, strict=True):
                if target is not None and gradient is not None:
                    array = gradient.detach().numpy().copy()
                    symbol, transposed = find(array, by_hand)
                    first = symbol not in {visit.symbol for visit in visits}
                    visits.append(
                        Visit(node.name(), name_of(target), array, symbol, transposed, first)
                    )

        return record

    nodes, seen = [L.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen or hasattr(node, "variable"):
            continue
        seen.add(node)
        node.register_hook(on_node(node))
        nodes += [target for target, _ in node.next_functions]
    L.backward()
    return visits


def find(gradient: Array, by_hand: dict[str, Array]) -> tuple[str, bool]:
    """Return the name of the variable with the same values, and whether it is transposed."""
    for symbol, value in by_hand.items():
        for transposed, candidate in ((False, value), (True, value.T)):
            if gradient.shape == candidate.shape and np.allclose(
                gradient, candidate, rtol=1e-12, atol=1e-15
            ):
                return symbol, transposed
    return "", False


def parameters_of(weights: Sequence[Tensor]) -> list[Tensor]:
    """Return the tensors that hold the weights: nn.Linear stores W1 and W2 transposed."""
    return [W if W.is_leaf else W._base for W in weights]  # type: ignore[misc]


def tensors(weights: Weights) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the weights as tensors."""
    W1, b1, W2, b2 = (torch.tensor(W) for W in weights)
    return W1, b1, W2, b2
