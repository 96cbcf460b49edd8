"""The benchmark of the multi-layer perceptrons."""

import numpy as np
import pytest

from benchmarks import mlp, scalar
from stages.mlp_numpy import model
from stages.points.generate import generate


def test_the_scalar_network_has_the_losses_of_the_numpy_network() -> None:
    X, labels = generate("blobs", 30, 0.3, 3, 0)
    weights = model.init_weights(2, 4, 3, np.random.default_rng(0))
    batches = list(model.minibatches(30, 8, 3, np.random.default_rng(1)))
    Y = model.one_hot(labels, 3)
    expected = [loss for loss, _ in model.fit(X, Y, weights, "tanh", batches, 0.1, 0.9)]
    losses = scalar.fit(
        X.tolist(),
        labels.tolist(),
        [np.atleast_2d(W).tolist() for W in weights],
        [[rows.tolist() for rows in epoch] for epoch in batches],
        0.1,
        0.9,
    )
    assert losses == pytest.approx(expected, rel=1e-12)


def test_every_contender_runs_and_has_a_row_in_the_table() -> None:
    problem = mlp.make_problem(40, 4, batch_size=8, epochs=2, scalar_samples=10)
    report = "\n".join(mlp.measure(problem, rounds=1))
    for name in mlp.CONTENDERS:
        assert f"| {name}" in report
    assert f"| {mlp.OURS} |" in report
    assert "| 1.00 × |" in report
