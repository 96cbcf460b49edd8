"""The benchmark's own network on scalars computes what the hand-written one does."""

import numpy as np
import pytest

from benchmarks import mlp, scalar
from stages.mlp_numpy import model
from stages.points.generate import generate


def test_the_scalar_network_has_the_losses_of_the_hand_written_one() -> None:
    X, labels = generate("blobs", 30, 0.3, 3, 0)
    weights = model.initial(2, 4, 3, np.random.default_rng(0))
    order = list(model.schedule(30, 8, 3, np.random.default_rng(1)))
    Y = model.one_hot(labels, 3)
    ours = [loss for loss, _ in model.fit(X, Y, weights, "tanh", order, 0.1, 0.9)]
    theirs = scalar.fit(
        X.tolist(),
        labels.tolist(),
        [np.atleast_2d(W).tolist() for W in weights],
        [[rows.tolist() for rows in batches] for batches in order],
        0.1,
        0.9,
    )
    assert theirs == pytest.approx(ours, rel=1e-12)


def test_every_contender_runs_and_is_told_in_the_table() -> None:
    size = mlp.Size(points=40, hidden=4, batch=8, epochs=2, scalar_points=10)
    table = "\n".join(mlp.report(size, mlp.measure(size, rounds=1)))
    for name in mlp.CONTENDERS:
        assert f"| {name}" in table
    assert "| 1.00 × |" in table
