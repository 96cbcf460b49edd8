"""The hand-written network: its gradients and its functions against their definitions."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.mlp_numpy.gradcheck import (
    EPS,
    away_from_kinks,
    gradcheck_error,
    matching_digits,
    numerical_derivative,
    relative_error,
)
from stages.mlp_numpy.model import (
    ACTIVATIONS,
    Array,
    Weights,
    backward,
    fit,
    init_weights,
    log_softmax,
    loss,
    minibatches,
    one_hot,
    sigmoid,
)

activations = st.sampled_from(sorted(ACTIVATIONS))


def problem(
    m: int, n: int, h: int, C: int, seed: int
) -> tuple[Array, NDArray[np.int64], Array, Weights]:
    """Return random samples, labels, one-hot labels and weights with random biases."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (m, n))
    labels = rng.integers(0, C, m)
    weights = Weights(
        rng.normal(0, 0.7, (n, h)),
        rng.normal(0, 0.7, h),
        rng.normal(0, 0.7, (h, C)),
        rng.normal(0, 0.7, C),
    )
    return X, labels, one_hot(labels, C), weights


shapes = {
    "m": st.integers(1, 12),
    "n": st.integers(1, 4),
    "h": st.integers(1, 6),
    "C": st.integers(2, 5),
    "seed": st.integers(0, 2**32 - 1),
}


@settings(deadline=None, max_examples=150)
@given(activation=activations, **shapes)
def test_backward_matches_the_numerical_derivatives(
    activation: str, m: int, n: int, h: int, C: int, seed: int
) -> None:
    X, _, Y, weights = problem(m, n, h, C, seed)
    if ACTIVATIONS[activation].kink:
        assume(away_from_kinks(X, weights).any())
    assert gradcheck_error(X, Y, weights, activation) <= 1e-7


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("field", Weights._fields)
def test_gradcheck_detects_a_wrong_gradient(
    activation: str, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*arguments: object) -> Weights:
        gradients = backward(*arguments)  # type: ignore[arg-type]
        return gradients._replace(**{field: getattr(gradients, field) * (1 + 1e-6)})

    X, _, Y, weights = problem(10, 2, 4, 3, 0)
    monkeypatch.setattr("stages.mlp_numpy.gradcheck.backward", wrong)
    assert gradcheck_error(X, Y, weights, activation) == pytest.approx(1e-6, rel=0.01)


def test_the_stencil_is_exact_for_polynomials_of_degree_six() -> None:
    x = np.array([0.7])
    derivative = numerical_derivative(lambda: float(x[0] ** 6 - 2 * x[0] ** 3), x, (0,))
    assert derivative == pytest.approx(6 * 0.7**5 - 6 * 0.7**2, rel=1e-11)
    assert x[0] == 0.7


def test_a_sample_near_a_kink_is_left_out() -> None:
    weights = Weights(np.ones((1, 1)), np.zeros(1), np.ones((1, 2)), np.zeros(2))
    X = np.array([[2.9 * EPS], [-2.9 * EPS], [0.5], [-0.5]])
    assert away_from_kinks(X, weights).tolist() == [False, False, True, True]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_float32_stays_float32(activation: str) -> None:
    X, _, Y, weights = problem(8, 2, 4, 3, 0)
    weights = Weights(*(W.astype(np.float32) for W in weights))
    X, Y = X.astype(np.float32), Y.astype(np.float32)
    _, trained = next(fit(X, Y, weights, activation, make_batches(8, 4, 1), 0.1, 0.9))
    assert {W.dtype for W in trained} == {np.dtype(np.float32)}


def test_large_logits_give_finite_losses() -> None:
    Z = np.array([[1000.0, -1000.0], [-1000.0, 1000.0], [0.0, 0.0]])
    assert np.isfinite(log_softmax(Z)).all()
    assert loss(log_softmax(Z), one_hot(np.array([0, 0, 0]), 2)) == pytest.approx(
        (2000 + np.log(2)) / 3
    )


def test_sigmoid_follows_its_definition_without_overflow() -> None:
    with np.errstate(all="raise"):
        assert sigmoid(np.array([-1000.0, 1000.0])).tolist() == [0.0, 1.0]
    Z = np.linspace(-20, 20, 101)
    assert np.allclose(sigmoid(Z), 1 / (1 + np.exp(-Z)), rtol=1e-6, atol=1e-15)


@settings(deadline=None)
@given(m=st.integers(1, 50), batch_size=st.integers(1, 60), seed=st.integers(0, 100))
def test_minibatches_contain_every_sample_once_per_epoch(
    m: int, batch_size: int, seed: int
) -> None:
    epochs = list(minibatches(m, batch_size, 3, np.random.default_rng(seed)))
    assert len(epochs) == 3
    for batches in epochs:
        assert {len(indices) for indices in batches[:-1]} <= {batch_size}
        assert sorted(np.concatenate(batches)) == list(range(m))


def make_batches(m: int, batch_size: int, epochs: int) -> list[list[NDArray[np.int64]]]:
    return list(minibatches(m, batch_size, epochs, np.random.default_rng(0)))


def test_initial_weights_have_variance_one_over_the_number_of_inputs() -> None:
    weights = init_weights(4, 4000, 3, np.random.default_rng(0))
    assert weights.W1.var() == pytest.approx(1 / 4, rel=0.05)
    assert weights.W2.var() == pytest.approx(1 / 4000, rel=0.05)
    assert not weights.b1.any()
    assert not weights.b2.any()


def test_relative_error_and_matching_digits() -> None:
    assert relative_error(np.array([1.0, 2.0]), np.array([1.0, 2.002])) == pytest.approx(
        0.002 / 2.002
    )
    assert relative_error(np.zeros(2), np.zeros(2)) == 0
    digits = {0.0: 15, 1e-16: 15, 6e-12: 11, 1e-7: 7, 0.5: 0, 3.0: 0}
    assert {error: matching_digits(error) for error in digits} == digits
