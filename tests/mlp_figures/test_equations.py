"""The typeset equations compute what the code computes.

The LaTeX is made from the code. Here an independent reader, which knows only LaTeX, evaluates it,
and the numbers are compared with those of the network.
"""

import ast
import re
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from stages.mlp_figures.equation_sheets import LOG_SOFTMAX, backward_figure, forward_figure
from stages.mlp_figures.equations import Equation, equations, forms, latex
from stages.mlp_numpy import model
from stages.mlp_numpy.model import ACTIVATIONS, Activation, Array

m, n, h, C = 7, 2, 5, 3
SIZES = {"m": m, "n": n, "h": h, "C": C}


def evaluate(formula: str, values: dict[str, Any]) -> Any:
    """Return the value of a LaTeX formula for the given values of its symbols."""
    text = formula
    replacements: list[tuple[str, str]] = [
        (r"\\mathsf\{T\}", "T"),
        (r"\\log\\,\\mathrm\{softmax\}", "LOGSOFTMAX"),
        (r"\\log\\,([A-Z])_(\d)", r"log\1\2"),
        (r"\\sum_\{\\mathrm\{rows\}\}\\, (.+)$", r"SUMROWS(\1)"),
        (r"\\log\\, \\sum_\{\\mathrm\{classes\}\}\\, (.+)$", r"LOGSUMCLASSES(\1)"),
        (r"e\^\{(.+?)\}", r"exp(\1)"),
        (r"\\sum\\, (.+)$", r"SUM(\1)"),
        (r"\\frac\{1\}\{m\}\\, ", r"(1 / m) * "),
        (r"\\frac\{(.+)\}\{(.+)\}", r"((\1) / (\2))"),
        (r"\\varphi'", "PHIPRIME"),
        (r"\\varphi", "VARPHI"),
        (r"\\mu", "MU"),
        (r"\\eta", "ETA"),
        (r"\\(tanh|max|exp)", r"\1"),
        (r"_(\d)", r"\1"),
        (r"(\w+)\^\{T\}", r"\1.T"),
        (r"\^", "**"),
        (r"\\odot", "*"),
        # A thin space is a product with a number, or else of matrices.
        (r"\b(MU|ETA|\d+)\\, ", r"\1 * "),
        (r"\\leq", "<="),
        (r"\\, ", " @ "),
        (r"\[(.+?)\]", r"IVERSON(\1)"),
    ]
    for pattern, python in replacements:
        text = re.sub(pattern, python, text)
    assert "\\" not in text, text
    functions = {
        "LOGSOFTMAX": lambda Z: np.log(np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)),
        "LOGSUMCLASSES": lambda Z: np.log([[sum(row)] for row in Z]),
        "SUMROWS": lambda Q: np.array([sum(column) for column in Q.T]),
        "SUM": lambda Q: sum(Q.flat),
        "tanh": np.tanh,
        "exp": np.exp,
        "max": np.maximum,
        "IVERSON": lambda condition: np.where(condition, 1.0, 0.0),
    }
    return eval(text, {"__builtins__": {}}, functions | values)  # noqa: S307


def evaluate_forms(formula: str, values: dict[str, Any]) -> Any:
    """Return the value of a formula of one or two forms, which must be equal."""
    results = [evaluate(form, values) for form in formula.split(" = ")]
    for result in results:
        assert np.allclose(result, results[0], rtol=1e-13, atol=1e-15), formula
    return results[-1]


def evaluate_all(lines: list[Equation], values: dict[str, Any]) -> dict[str, Any]:
    """Evaluate equations in order, each from the values before it, and check their shapes."""
    values = dict(values)
    for line in lines:
        name = line.symbol.replace("log_", "log")
        assert line.left.split()[0].replace(r"\log\,", "log").replace("_", "") == name
        values[name] = evaluate(line.right, values)
        if line.shape:
            shape = tuple(SIZES[size] for size in re.findall(r"[mnhC]", line.shape))
            assert np.shape(values[name]) == shape, line
    return values


def leaky_relu(Z1: Array) -> Array:
    return np.maximum(Z1, 0.01 * Z1)


def leaky_relu_prime(A1: Array) -> Array:
    return np.where(A1 > 0, 1, 0.01)


# The entry that docs and comments tell the reader to add. The form of np.where has to be given.
LEAKY_RELU = Activation(
    leaky_relu, leaky_relu_prime, kink=True, prime_latex=r"[A_1 > 0] + 0.01\, [A_1 \leq 0]"
)


@pytest.fixture(params=[*sorted(ACTIVATIONS), "leaky_relu"])
def case(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    if request.param == "leaky_relu":
        monkeypatch.setitem(ACTIVATIONS, "leaky_relu", LEAKY_RELU)
    rng = np.random.default_rng(1)
    weights = model.Weights(*(rng.normal(size=s) for s in ((n, h), h, (h, C), C)))
    activation: Activation = ACTIVATIONS[request.param]
    X, Y = rng.normal(size=(m, n)), model.one_hot(rng.integers(0, C, m), C)
    A1, log_A2, A2 = model.forward(X, *weights, activation.phi)
    return SimpleNamespace(
        values=weights._asdict()
        | {
            "X": X,
            "Y": Y,
            "m": m,
            "VARPHI": lambda Z1: evaluate_forms(
                forms(activation.phi, activation.latex), {"Z1": Z1}
            ),
            "PHIPRIME": lambda A1: evaluate_forms(
                forms(activation.phi_prime, activation.prime_latex), {"A1": A1}
            ),
        },
        A1=A1,
        A2=A2,
        L=model.loss(log_A2, Y),
        gradients=model.backward(X, Y, weights.W2, A1, A2, activation.phi_prime),
    )


def test_the_forward_equations_compute_what_forward_computes(case: SimpleNamespace) -> None:
    values = evaluate_all(equations(model.forward) + equations(model.loss), case.values)
    assert np.allclose(values["A1"], case.A1, rtol=1e-13)
    assert np.allclose(values["A2"], case.A2, rtol=1e-13)
    assert values["L"] == pytest.approx(case.L, rel=1e-13)


def test_the_backward_equations_compute_what_backward_computes(case: SimpleNamespace) -> None:
    values = evaluate_all(
        equations(model.forward) + equations(model.loss) + equations(model.backward), case.values
    )
    for name, gradient in case.gradients._asdict().items():
        assert np.allclose(values[f"d{name}"], gradient, rtol=1e-12, atol=1e-16), name


def test_the_update_equations_compute_what_update_computes() -> None:
    rng = np.random.default_rng(2)
    W, V, dW = rng.normal(size=(3, 4))
    lines = equations(model.update)
    assert [line.left for line in lines] == [r"V \leftarrow", r"W \leftarrow"]
    values = evaluate_all(lines, {"W": W, "V": V, "dW": dW, "ETA": 0.1, "MU": 0.9})
    model.update(W, V, dW, learning_rate=0.1, momentum=0.9)
    assert np.allclose(values["V"], V)
    assert np.allclose(values["W"], W)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("A1.T @ dZ2", r"A_1^{\mathsf{T}}\, dZ_2"),
        ("(A1 + A2).T", r"(A_1 + A_2)^{\mathsf{T}}"),
        ("A1 @ (A2 - Y)", r"A_1\, (A_2 - Y)"),
        ("A1 - (A2 - Y)", r"A_1 - (A_2 - Y)"),
        ("A1 - A2 - Y", r"A_1 - A_2 - Y"),
        ("A1 * (1 - A1)", r"A_1 \odot (1 - A_1)"),
        ("(A1 * A2) ** 2", r"(A_1 \odot A_2)^2"),
        ("momentum * V", r"\mu\, V"),
        ("np.sum(A1 * Y)", r"\sum\, (A_1 \odot Y)"),
        ("np.sum(A1, axis=0)", r"\sum_{\mathrm{rows}}\, A_1"),
    ],
)
def test_parentheses_keep_the_meaning(code: str, expected: str) -> None:
    assert latex(ast.parse(code, mode="eval").body) == expected


@pytest.mark.parametrize("code", ["A1[0]", "unknown_name", "np.linalg.inv(A1)", "A1 // m"])
def test_code_without_a_typeset_form_is_refused(code: str) -> None:
    with pytest.raises(NotImplementedError, match="add one to stages/mlp_figures/equations.py, or"):
        latex(ast.parse(code, mode="eval").body)


def test_the_softmax_of_the_sheet_is_that_of_the_code() -> None:
    Z2 = np.random.default_rng(3).normal(size=(m, C))
    assert np.allclose(evaluate(LOG_SOFTMAX, {"Z2": Z2}), model.log_softmax(Z2), rtol=1e-13)


def test_a_new_activation_is_drawn_on_both_sheets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ACTIVATIONS, "leaky_relu", LEAKY_RELU)
    for figure, formula in (
        (forward_figure(), r"$\varphi(Z_1) = \max(Z_1, 0.01\, Z_1)$"),
        (backward_figure(), r"$\varphi'(A_1) = [A_1 > 0] + 0.01\, [A_1 \leq 0]$"),
    ):
        assert formula in [text.get_text() for text in figure.axes[0].texts]
        plt.close(figure)


def test_an_activation_without_a_typeset_form_is_refused() -> None:
    with pytest.raises(NotImplementedError, match=r"np\.where.*set latex or prime_latex of its"):
        forms(leaky_relu_prime, "")
