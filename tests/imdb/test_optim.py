"""Our sparse Adam and gradient clipping compute what PyTorch's do."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stages.imdb.engine.optim import SparseAdam, build_optimizers, clip_grad_norm
from stages.imdb.models.batches import collate
from stages.imdb.models.classifiers import LSTMClassifier


@pytest.mark.parametrize("factor", [0.01, 1_000.0])
def test_a_gradient_is_scaled_as_a_whole_and_only_if_its_norm_exceeds_one(factor: float) -> None:
    torch.manual_seed(0)
    network = LSTMClassifier(50, 6, hidden_size=5)
    reviews = [np.array([1, 2, 2, 3], np.int32), np.array([2, 5], np.int32)]
    (network(*collate(reviews)).sum() * factor).backward()

    def gradient() -> Tensor:
        parameters = network.parameters()
        return torch.cat([p.grad.to_dense().flatten() for p in parameters if p.grad is not None])

    before = gradient()
    clip_grad_norm(network)
    norm = before.norm().item()
    torch.testing.assert_close(gradient(), before * min(1.0, 1.0 / norm))
    assert (norm > 1) == (factor > 1)


@pytest.mark.parametrize("every_row", [True, False])
def test_sparse_adam_equals_pytorchs(every_row: bool) -> None:
    """It equals Adam if every row is in every batch, and SparseAdam otherwise."""
    torch.manual_seed(0)
    start = torch.randn(9, 4, dtype=torch.float64)
    ours = nn.Embedding(9, 4, _weight=start.clone(), sparse=True)
    theirs = nn.Embedding(9, 4, _weight=start.clone(), sparse=not every_row)
    reference = torch.optim.Adam if every_row else torch.optim.SparseAdam
    optimizers = [
        SparseAdam(ours.parameters(), lr=0.1, betas=(0.8, 0.95)),
        reference(theirs.parameters(), lr=0.1, betas=(0.8, 0.95)),
    ]
    for _ in range(5):
        ids = torch.cat([torch.randint(0, 9, (9,)), torch.arange(9 if every_row else 0)])
        scale = torch.rand(4, dtype=torch.float64) + 1
        for embedding, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            ((embedding(ids) - 5) ** 2 * scale).sum().backward()
            optimizer.step()
        torch.testing.assert_close(ours.weight, theirs.weight)
    assert not torch.allclose(ours.weight, start)


def test_sparse_adam_gives_the_same_weights_with_dense_gradients() -> None:
    torch.manual_seed(0)
    start = torch.randn(9, 4)
    weights = []
    for sparse in (True, False):
        embedding = nn.Embedding(9, 4, _weight=start.clone(), sparse=sparse)
        optimizer = SparseAdam(embedding.parameters(), lr=0.1)
        for ids in torch.tensor([[0, 1, 1], [2, 3, 3], [1, 2, 8]]):
            optimizer.zero_grad()
            (embedding(ids) ** 2).sum().backward()
            optimizer.step()
        weights.append(embedding.weight)
    assert torch.equal(*weights)
    assert torch.equal(weights[1][4:8], start[4:8])


def test_every_weight_has_exactly_one_optimizer() -> None:
    network = LSTMClassifier(50, 6, hidden_size=5, num_buckets=31)
    optimized = [p for o in build_optimizers(network) for g in o.param_groups for p in g["params"]]
    assert len(optimized) == len({id(p) for p in optimized}) == len(list(network.parameters()))
