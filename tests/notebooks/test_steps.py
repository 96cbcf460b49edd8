"""The helpers of the notebooks: the lines of project 1, mistakes in them, and autograd's record."""

import inspect

import autograd_walk
import numpy as np
import pytest
import show
import steps
import torch
from torch.nn.functional import cross_entropy

from stages.mlp_numpy import model
from stages.mlp_numpy.gradcheck import relative_error
from stages.mlp_numpy.history import Dataset
from stages.mlp_numpy.params import MLP
from stages.mlp_numpy.train import train
from stages.mlp_torch.train import VERSIONS
from stages.points.generate import generate, split

RNG = np.random.default_rng(1)
X, LABELS = RNG.normal(size=(3, 2)), np.array([0, 1, 1])
Y = model.one_hot(LABELS, 2)
WEIGHTS = model.init_weights(2, 2, 2, RNG)

every_activation = pytest.mark.parametrize("activation", model.ACTIVATIONS)
every_version = pytest.mark.parametrize("version", VERSIONS)


@every_activation
def test_the_lines_give_the_results_of_the_functions(activation: str) -> None:
    lines, values = steps.one_step(X, Y, WEIGHTS, activation, 0.5)
    phi, phi_prime = model.ACTIVATIONS[activation][:2]
    A1, log_A2, A2 = model.forward(X, *WEIGHTS, phi)
    gradients = model.backward(X, Y, WEIGHTS.W2, A1, A2, phi_prime)
    expected = {
        "A1": A1, "log_A2": log_A2, "A2": A2, "L": model.loss(log_A2, Y),
        **{f"d{name}": gradient for name, gradient in gradients._asdict().items()},
    }  # fmt: skip
    for name, value in expected.items():
        assert np.array_equal(values[name], value), name
    for name, W, dW in zip(WEIGHTS._fields, WEIGHTS, gradients, strict=True):
        after = W.copy()
        model.update(after, np.zeros_like(W), dW, 0.5, 0.0)
        assert np.array_equal(lines[f"update of {name}"][-1].value, after)
    assert [step.equation.symbol for step in lines["backward"]] == [
        "dZ2", "dW2", "db2", "dA1", "dZ1", "dW1", "db1",
    ]  # fmt: skip


@every_activation
def test_every_gradient_is_its_central_difference(activation: str) -> None:
    lines, values = steps.one_step(X, Y, WEIGHTS, activation, 0.5)
    for step in lines["backward"]:
        difference = steps.numerical_gradient(step.equation.symbol[1:], values)
        assert relative_error(step.value, difference) < 1e-9, step.equation.symbol


def made_up(hidden_size: int) -> tuple[Dataset, MLP]:
    """Return points, and a training of ten epochs."""
    train_points, test_points = split(*generate("moons", 200, 0.1, 2, 0), 0.5, 0)
    mlp = MLP(
        hidden_size=hidden_size, activation="tanh", epochs=10, batch_size=20, learning_rate=0.1,
        momentum=0.9, seed=3,
    )  # fmt: skip
    return Dataset(*train_points, *test_points, 2), mlp


def test_the_code_without_a_fault_trains_like_project_1() -> None:
    data, mlp = made_up(8)
    *_, last = train(data, mlp, [])
    judged = steps.judge(steps.break_code([]), data, mlp)
    assert judged.loss == last.loss
    assert judged.digits >= 10
    assert judged.problem == ""


@pytest.mark.parametrize("fault", steps.FAULTS)
def test_a_fault_changes_the_training_and_not_the_module(fault: str) -> None:
    data, mlp = made_up(2)
    source = inspect.getsource(model)
    original = steps.judge(steps.break_code([]), data, mlp)
    variant = steps.break_code([fault])
    judged = steps.judge(variant, data, mlp)
    assert judged.loss != original.loss
    # The gradient check sees `backward` only.
    assert (judged.digits == 0) == (steps.FAULTS[fault].function is model.backward)
    old, new = variant.changes
    assert old[1:] in source
    assert new[1:] not in source
    assert steps.judge(steps.break_code([]), data, mlp) == original


def test_a_fault_whose_shapes_do_not_fit_is_reported() -> None:
    judged = steps.judge(steps.break_code(["forget the transpose of W2"]), *made_up(8))
    assert "mismatch" in judged.problem


@every_version
@every_activation
def test_autograd_walks_through_every_line_of_backward(version: str, activation: str) -> None:
    lines, _ = steps.one_step(X, Y, WEIGHTS, activation, 0.5)
    by_hand = {step.equation.symbol: step.value for step in lines["backward"]}
    _, network, parameters = next(
        VERSIONS[version](
            torch.from_numpy(X), torch.from_numpy(LABELS), autograd_walk.tensors(WEIGHTS),
            activation, [[]], 0.5, 0.0,
        )
    )  # fmt: skip
    L = cross_entropy(network(torch.from_numpy(X)), torch.from_numpy(LABELS))
    visits = autograd_walk.walk(L, autograd_walk.parameters_of(parameters), by_hand)
    assert {visit.symbol for visit in visits} - {""} == by_hand.keys()
    assert [visit.node for visit in visits if not visit.symbol] == ["NllLossBackward0"]
    reached = {visit.to: visit.symbol for visit in visits}
    assert {name: reached[name] for name in WEIGHTS._fields} == {
        name: f"d{name}" for name in WEIGHTS._fields
    }


def test_numbers_that_changed_are_marked() -> None:
    table = show.numbers(np.array([1.0, -2.0]), "Z", before=np.array([1.0, 3.0]))
    assert table.count("<b ") == 1
    assert f"{show.CHANGED}\N{MINUS SIGN}2.0000" in table


def test_docstrings_are_left_out_of_a_listing() -> None:
    source = '"""One."""\n\nx = 1\n\n\ndef f():\n    """Two.\n\n    Three.\n    """\n    return x\n'
    assert show.without_docstrings(source) == ["x = 1", "", "def f():", "    return x"]
