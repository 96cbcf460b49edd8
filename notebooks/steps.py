"""Run the lines of the network in project 1 one by one, or with a line replaced.

Everything here executes the source of stages/mlp_numpy/model.py, so the numbers in the notebooks
are those of that code.
"""

import ast
import inspect
import textwrap
import types
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, cast

import numpy as np

from stages.mlp_figures.equations import Equation, equations
from stages.mlp_numpy import gradcheck, model
from stages.mlp_numpy.history import Dataset, accuracy
from stages.mlp_numpy.model import Array, Weights
from stages.mlp_numpy.params import MLP
from stages.mlp_numpy.train import log_probabilities

Values = dict[str, Any]  # variables by name


class Step(NamedTuple):
    """A line of code that has run."""

    equation: Equation
    value: Array  # the variable that the line assigns, after the line


class Fault(NamedTuple):
    """A mistake: a part of the source of a function, and what replaces it."""

    function: Callable[..., Any]
    old: str
    new: str


FAULTS = {
    "leave out phi_prime": Fault(model.backward, "dA1 * phi_prime(A1)", "dA1"),
    "forget / m": Fault(model.backward, "(A2 - Y) / m", "A2 - Y"),
    "forget the transpose of W2": Fault(model.backward, "dZ2 @ W2.T", "dZ2 @ W2"),
    "update with the wrong sign": Fault(
        model.update, "W - learning_rate * V", "W + learning_rate * V"
    ),
}


def run_lines(function: Callable[..., Any], values: Values, after: str = "") -> list[Step]:
    """Execute the assignments of a function of model.py one by one.

    Args:
        function: A function whose body is a sequence of assignments and a return.
        values: Its arguments. The variables that it assigns are added.
        after: Name of a variable. The lines before its assignment, and the assignment, are skipped.
            Empty, or not assigned in the function: no line is skipped.

    Returns:
        The lines that have run, except `m = len(X)`, which has no typeset form.
    """
    source = ast.parse(textwrap.dedent(inspect.getsource(function)))
    lines = [node for node in ast.walk(source) if isinstance(node, ast.Assign)]
    names = [ast.unparse(line.targets[0]).removesuffix("[:]") for line in lines]
    start = names.index(after) + 1 if after in names else 0
    typeset = {equation.symbol: equation for equation in equations(function)}
    steps = []
    for name, line in zip(names[start:], lines[start:], strict=True):
        code = compile(ast.Module([line], []), f"<{function.__name__}>", "exec")
        exec(code, dict(vars(model)), values)  # noqa: S102 (a line of model.py)
        if name in typeset:
            steps.append(Step(typeset[name], np.array(values[name])))
    return steps


def one_step(
    X: Array, Y: Array, weights: Weights, activation: str, learning_rate: float
) -> tuple[dict[str, list[Step]], Values]:
    """Run one step of backpropagation line by line: forward, loss, backward and update.

    Args:
        X: Samples of shape (m, n).
        Y: Their classes, one-hot, of shape (m, C).
        weights: Weights before the step, which are not changed.
        activation: A key of ACTIVATIONS.
        learning_rate: Of the update, which starts with velocities of 0.

    Returns:
        The lines that have run, by function; the update is listed once per weight, as "update of
        W1" and so on. And the variables of forward, loss and backward by name.
    """
    phi, phi_prime = model.ACTIVATIONS[activation][:2]
    values = {**weights._asdict(), "X": X, "Y": Y, "phi": phi, "phi_prime": phi_prime}
    functions: list[Callable[..., Any]] = [model.forward, model.loss, model.backward]
    steps = {function.__name__: run_lines(function, values) for function in functions}
    for name, W in weights._asdict().items():
        step = {
            "W": W.copy(), "V": np.zeros_like(W), "dW": values[f"d{name}"],
            "learning_rate": learning_rate, "momentum": 0.0,
        }  # fmt: skip
        steps[f"update of {name}"] = run_lines(model.update, step)
    return steps, values


def numerical_gradient(name: str, values: Values) -> Array:
    """Return the central difference of the loss for each element of a variable of `forward`.

    The lines of `forward` after the assignment of the variable run again for each difference.

    Args:
        name: A weight or an intermediate result, such as W1 or Z2.
        values: The variables of a step, from `one_step`.
    """
    values = {key: np.array(value) if key == name else value for key, value in values.items()}

    def compute_loss() -> float:
        run_lines(model.forward, values, after=name)
        return model.loss(values["log_A2"], values["Y"])

    Q = values[name]
    gradient = [gradcheck.numerical_derivative(compute_loss, Q, i) for i in np.ndindex(Q.shape)]
    return np.reshape(gradient, Q.shape)


def replace_globals(function: types.FunctionType, replacements: Values) -> Callable[..., Any]:
    """Return a copy of a function that sees other global variables of its module."""
    return types.FunctionType(
        function.__code__,
        {**function.__globals__, **replacements},
        function.__name__,
        function.__defaults__,
    )


class Variant(NamedTuple):
    """The functions of project 1 that use `backward` or `update`."""

    fit: Callable[..., Any]
    gradcheck_error: Callable[..., float]
    changes: list[str]  # the lines that differ, as in a diff


def break_code(faults: Iterable[str]) -> Variant:
    """Return the training and the gradient check with mistakes in their source.

    The module itself is not changed.

    Args:
        faults: Keys of FAULTS.
    """
    sources: dict[str, str] = {}
    changes = []
    for fault in (FAULTS[name] for name in faults):
        name = fault.function.__name__
        source = sources.get(name) or inspect.getsource(fault.function)
        [line] = [line for line in source.splitlines() if fault.old in line]
        sources[name] = source.replace(fault.old, fault.new)
        changes += [f"-{line}", f"+{line.replace(fault.old, fault.new)}"]
    replacements: Values = {}
    for source in sources.values():
        exec(source, dict(vars(model)), replacements)  # noqa: S102 (source of model.py)
    return Variant(
        replace_globals(cast("types.FunctionType", model.fit), replacements),
        replace_globals(cast("types.FunctionType", gradcheck.gradcheck_error), replacements),
        changes,
    )


class Judgement(NamedTuple):
    """What a variant of the code achieves."""

    accuracy: float  # fraction of the test points; nan if the code fails
    loss: float  # training loss of the last epoch, in nats
    digits: int  # of the gradient check
    problem: str  # why the code fails; empty if it runs


def judge(variant: Variant, data: Dataset, mlp: MLP) -> Judgement:
    """Check the gradients of a variant and train with it, from the same start as `train`."""
    Y = model.one_hot(data.labels, data.n_classes)
    rng = np.random.default_rng(mlp.seed)
    weights = model.init_weights(data.X.shape[1], mlp.hidden_size, data.n_classes, rng)
    batches = model.minibatches(len(data.X), mlp.batch_size, mlp.epochs, rng)
    try:
        error = variant.gradcheck_error(data.X[:100], Y[:100], weights, mlp.activation)
        with np.errstate(all="ignore"):  # a wrong gradient may overflow
            for loss, trained in variant.fit(
                data.X, Y, weights, mlp.activation, batches, mlp.learning_rate, mlp.momentum
            ):
                last = loss, trained
            log_A2 = log_probabilities(last[1], mlp.activation, data.X_test)
    except ValueError as failure:
        return Judgement(np.nan, np.nan, 0, str(failure))
    correct = accuracy(log_A2, data.test_labels)
    return Judgement(correct, last[0], gradcheck.matching_digits(error), "")
