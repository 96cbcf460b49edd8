"""docs/backpropagation.md: the example and the answers to the exercises, computed from model.py."""

import inspect
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from stages.common.params import load_params
from stages.mlp_numpy import gradcheck, model
from stages.mlp_numpy.params import MLP
from stages.points.generate import generate, split
from stages.points.params import Points
from tests.clone import ROOT

PAGE = (ROOT / "docs/backpropagation.md").read_text("utf-8")
EXERCISES = {int(text[0]): text for text in PAGE.partition("## Exercises")[2].split("\n### ")[1:]}
TANH = model.ACTIVATIONS["tanh"]


def matrices() -> dict[str, model.Array]:
    """Return the matrices of the example by name; those with one row as vectors."""
    found = re.findall(r"(\w+) = \\begin\{bmatrix\} (.+?) \\end\{bmatrix\}", PAGE)
    return {
        name.replace("_", ""): np.array(
            [[float(number) for number in row.split("&")] for row in text.split(r"\\")]
        ).squeeze()
        for name, text in found
    }


def test_the_example_is_what_the_code_computes() -> None:
    shown = matrices()
    X, Y = shown["X"], shown["Y"]
    weights = model.Weights(shown["W1"], np.zeros(2), shown["W2"], shown["b2"])
    A1, log_A2, A2 = model.forward(X, *weights, TANH.phi)
    gradients = model.backward(X, Y, weights.W2, A1, A2, TANH.phi_prime)
    dZ2 = (A2 - Y) / 2
    dA1 = dZ2 @ weights.W2.T
    computed = {
        "Z1": X @ weights.W1 + weights.b1, "A1": A1, "Z2": A1 @ weights.W2 + weights.b2, "A2": A2,
        "dZ2": dZ2, "dA1": dA1, "dZ1": dA1 * TANH.phi_prime(A1),
        **{f"d{name}": gradient for name, gradient in gradients._asdict().items()},
    }  # fmt: skip
    assert shown.keys() == {"X", "Y", "W1", "W2", "b2", *computed}
    for name, value in computed.items():
        assert np.allclose(shown[name], value, rtol=0, atol=5.001e-5), name

    after = model.Weights(*(W - 0.5 * dW for W, dW in zip(weights, gradients, strict=True)))
    losses = [model.loss(log_A2, Y), model.loss(model.forward(X, *after, TANH.phi)[1], Y)]
    assert re.findall(r"L = [^$]*?(0\.\d+)\$", PAGE) == [f"{loss:.4f}" for loss in losses]
    assert f"the slope is {TANH.phi_prime(A1)[0, 0]:.4f}" in PAGE


class Result(NamedTuple):
    """A training with the committed parameters, except for those that an exercise changes."""

    accuracy: float  # percent of the test points
    losses: list[float]
    weights: model.Weights
    X: model.Array
    digits: int  # of the gradient check


def train(**changes: Any) -> Result:
    mlp = load_params(ROOT / "params.yaml", "mlp", MLP).model_copy(update=changes)
    points = load_params(ROOT / "params.yaml", "points", Points)
    X, labels = generate("moons", points.n_samples, points.noise, 2, points.seed)
    (X, labels), (X_test, test_labels) = split(X, labels, points.test_size, points.seed)
    Y = model.one_hot(labels, 2)
    rng = np.random.default_rng(mlp.seed)
    initial = model.init_weights(2, mlp.hidden_size, 2, rng)
    error = gradcheck.gradcheck_error(X[:200], Y[:200], initial, mlp.activation)
    epoch_batches = model.minibatches(len(X), mlp.batch_size, mlp.epochs, rng)
    epochs = list(
        model.fit(X, Y, initial, mlp.activation, epoch_batches, mlp.learning_rate, mlp.momentum)
    )
    weights = epochs[-1][1]
    A2 = model.forward(X_test, *weights, model.ACTIVATIONS[mlp.activation].phi)[2]
    accuracy = 100 * float(np.mean(A2.argmax(axis=1) == test_labels))
    return Result(
        accuracy, [loss for loss, _ in epochs], weights, X, gradcheck.matching_digits(error)
    )


def percentages(exercise: int) -> list[float]:
    """Return the percentages in the answer, in order."""
    return [float(number) for number in re.findall(r"(\d+\.\d)\s%", EXERCISES[exercise])]


def apply(monkeypatch: pytest.MonkeyPatch, exercise: int, edit: Callable[[str], str] = str) -> None:
    """Make the change of an exercise: replace one line of a function, as its diff says."""
    [(old, new)] = re.findall(r"```diff\n-(.+)\n\+(.+)\n```", EXERCISES[exercise])
    functions: list[Callable[..., Any]] = [model.init_weights, model.backward, model.update]
    [function] = [f for f in functions if f"{old}\n" in inspect.getsource(f)]
    namespace = dict(vars(model))
    exec(inspect.getsource(function).replace(old, edit(new)), namespace)  # noqa: S102
    for module in (model, gradcheck):  # gradcheck imports some of the functions by name
        if hasattr(module, function.__name__):
            monkeypatch.setattr(module, function.__name__, namespace[function.__name__])


# One of the 1,000 test points may be classified differently on another processor.
close = pytest.approx


def test_the_training_without_changes() -> None:
    result = train()
    [percent] = re.findall(r"after 100 epochs is ([\d.]+) %", PAGE)
    assert result.accuracy == close(float(percent), abs=0.3)
    assert result.digits >= 10


def test_exercise_1_without_the_slope(monkeypatch: pytest.MonkeyPatch) -> None:
    apply(monkeypatch, 1)
    result = train()
    assert [result.accuracy] == close(percentages(1), abs=0.3)
    assert result.digits == 0


def test_exercise_2_without_the_division(monkeypatch: pytest.MonkeyPatch) -> None:
    original = train(batch_size=50, epochs=5)
    apply(monkeypatch, 2)
    result = train()
    results = [result.accuracy, train(learning_rate=0.02 / 32).accuracy]
    assert results == close(percentages(2), abs=0.3)
    assert result.digits == 0
    smaller = train(batch_size=50, epochs=5, learning_rate=0.02 / 50)
    assert smaller.losses == close(original.losses, rel=1e-10)


def test_exercise_3_without_a_transpose(monkeypatch: pytest.MonkeyPatch) -> None:
    original = train(hidden_size=2)
    apply(monkeypatch, 3)
    result = train(hidden_size=2)
    assert [result.accuracy, original.accuracy] == close(percentages(3), abs=0.3)
    assert original.digits >= 10
    assert result.digits == 0
    with pytest.raises(ValueError, match="size 16 is different from 2|mismatch"):
        train(epochs=1)


def test_exercise_4_along_the_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    apply(monkeypatch, 4)
    result = train(epochs=1)
    assert [result.accuracy] == close(percentages(4), abs=0.3)
    assert f"first epoch it is {result.losses[0]:.2f} nats" in EXERCISES[4]
    assert result.losses[0] > 10 * np.log(2)  # the stage stops, see train_and_log
    assert result.digits >= 10


def test_exercise_5_dead_units(monkeypatch: pytest.MonkeyPatch) -> None:
    apply(monkeypatch, 5)
    result = train(activation="relu")
    assert not (result.X @ result.weights.W1 + result.weights.b1 > 0).any()
    assert (result.weights.b1 == -3).all()
    assert result.losses[-1] == pytest.approx(np.log(2), abs=0.005)
    assert result.digits >= 10
    monkeypatch.undo()
    apply(monkeypatch, 5, lambda line: line.replace("-3.0", "-1.0"))
    fewer = train(activation="relu")
    active = fewer.X @ fewer.weights.W1 + fewer.weights.b1 > 0
    dead = ~active.any(axis=0)
    assert re.search(rf"\b{dead.sum()}\sof\sthe\s16\sunits", EXERCISES[5])
    assert (fewer.weights.b1[dead] == -1).all()  # they were dead from the start
    assert [result.accuracy, fewer.accuracy] == close(percentages(5), abs=0.3)


def test_exercise_6_without_momentum() -> None:
    results = [train(momentum=0.0), train(momentum=0.5), train(momentum=0.0, learning_rate=0.2)]
    assert [result.accuracy for result in results] == close(percentages(6), abs=0.3)
