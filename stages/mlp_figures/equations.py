r"""Typeset the equations of the network from the code that computes them.

`equations(backward)` reads the source of `backward` and turns each assignment, such as

    dW2 = A1.T @ dZ2  # (h, C)

into LaTeX, $dW_2 = A_1^{\mathsf{T}}\, dZ_2$, with the shape from the comment. So the equations in
the figures cannot differ from the code.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Any, NamedTuple

NO_FORM = (
    "no typeset form for {}; add one to stages/mlp_figures/equations.py, or, for an activation, set"
    " latex or prime_latex of its entry in ACTIVATIONS in stages/mlp_numpy/model.py"
)
SCALARS = {"m": "m", "momentum": r"\mu", "learning_rate": r"\eta"}
FUNCTIONS = {
    "phi": r"\varphi",
    "phi_prime": r"\varphi'",
    "log_softmax": r"\log\,\mathrm{softmax}",
    "np.tanh": r"\tanh",
    "np.maximum": r"\max",
    "np.exp": r"\exp",
}


class Equation(NamedTuple):
    """A line of code and its typeset form."""

    symbol: str  # assigned variable: dW2
    code: str  # assigned expression: A1.T @ dZ2
    shape: str  # from the comment: (h, C); empty if there is none
    left: str  # LaTeX of the symbol and the sign after it: dW_2 =
    right: str  # LaTeX of the expression


def equations(function: Callable[..., Any]) -> list[Equation]:
    """Return the assignments of a function in order, except `m = len(X)`.

    Raises:
        NotImplementedError: If an expression has no typeset form here.
    """
    source = textwrap.dedent(inspect.getsource(function))
    lines = source.splitlines()
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Assign) or ast.unparse(node.targets[0]) == "m":
            continue
        target, sign = node.targets[0], "="
        if isinstance(target, ast.Subscript):  # V[:] = ... overwrites V
            target, sign = target.value, r"\leftarrow"
        shape = re.search(r"# (\(.*\))$", lines[node.lineno - 1])
        found.append(
            Equation(
                symbol=ast.unparse(target),
                code=ast.unparse(node.value),
                shape=shape.group(1) if shape else "",
                left=f"{latex(target)} {sign}",
                right=latex(node.value),
            )
        )
    return found


def return_expression(function: Callable[..., Any]) -> str:
    """Return the LaTeX of the expression that a one-line function returns."""
    source = textwrap.dedent(inspect.getsource(function))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Return) and node.value is not None:
            return latex(node.value)
    raise NotImplementedError(NO_FORM.format(f"the function {function.__name__}"))


def forms(function: Callable[..., Any], given: str) -> str:
    """Return the LaTeX of a one-line function, in one or two forms with an equals sign between.

    Args:
        function: Its code is typeset if it can be.
        given: Another form, which comes first. It can be empty if the code can be typeset.

    Raises:
        NotImplementedError: If there is no form.
    """
    try:
        code = return_expression(function)
    except NotImplementedError:
        if not given:
            raise
        return given
    return f"{given} = {code}" if given else code


def latex(node: ast.expr) -> str:
    """Return the LaTeX of a Python expression, in the subset that matplotlib's mathtext reads."""
    match node:
        case ast.Name(id=name):
            return SCALARS.get(name) or _symbol(name)
        case ast.Constant(value=value):
            return str(value)
        case ast.Attribute(value=value, attr="T"):
            return rf"{_factor(value)}^{{\mathsf{{T}}}}"
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return f"-{_factor(operand)}"
        case ast.Compare(left=left, ops=[ast.Gt()], comparators=[right]):
            return f"[{latex(left)} > {latex(right)}]"  # Iverson bracket: 1 if true, else 0
        case ast.BinOp(left=left, op=op, right=right):
            return _operation(left, op, right)
        case ast.Call(func=function, args=[argument, *_]) if ast.unparse(function) == "np.sum":
            # With axis=0 the sum is over the rows only.
            rows = r"_{\mathrm{rows}}" if node.keywords else ""
            return rf"\sum{rows}\, {_factor(argument)}"
        case ast.Call(func=function, args=arguments) if ast.unparse(function) in FUNCTIONS:
            operands = ", ".join(map(latex, arguments))
            return rf"{FUNCTIONS[ast.unparse(function)]}({operands})"
    raise NotImplementedError(NO_FORM.format(ast.unparse(node)))


def _symbol(name: str) -> str:
    """Return the LaTeX of a name: dW_2 for dW2, log A_2 for log_A2."""
    parts = re.fullmatch(r"(log_)?(d?[A-Za-z])(\d?)", name)
    if not parts:
        raise NotImplementedError(NO_FORM.format(f"the name {name}"))
    logarithm, letter, digit = parts.groups()
    return (r"\log\," if logarithm else "") + letter + (f"_{digit}" if digit else "")


def _operation(left: ast.expr, op: ast.operator, right: ast.expr) -> str:
    """Return the LaTeX of a binary operation."""
    match op:
        case ast.Add():
            return f"{latex(left)} + {latex(right)}"
        case ast.Sub():
            sum_right = isinstance(right, ast.BinOp) and isinstance(right.op, ast.Add | ast.Sub)
            return f"{latex(left)} - {_factor(right) if sum_right else latex(right)}"
        case ast.MatMult():
            return rf"{_factor(left)}\, {_factor(right)}"
        case ast.Mult() if _is_scalar(left):
            return rf"{_factor(left)}\, {_factor(right)}"
        case ast.Mult():
            return rf"{_factor(left)} \odot {_factor(right)}"  # element by element
        case ast.Div() if isinstance(left, ast.UnaryOp):
            return rf"-{_operation(left.operand, op, right)}"
        case ast.Div() if isinstance(left, ast.Call):
            return rf"\frac{{1}}{{{latex(right)}}}\, {latex(left)}"
        case ast.Div() if isinstance(left, ast.Name):
            return f"{latex(left)} / {latex(right)}"
        case ast.Div():
            return rf"\frac{{{latex(left)}}}{{{latex(right)}}}"
        case ast.Pow():
            return f"{_factor(left)}^{latex(right)}"
    raise NotImplementedError(NO_FORM.format(f"the operator {type(op).__name__}"))


def _is_scalar(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id in SCALARS)


def _factor(node: ast.expr) -> str:
    """Return the LaTeX of an operand, in parentheses if it is a sum or an elementwise product."""
    parentheses = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub | ast.Mult)
    return rf"({latex(node)})" if parentheses else latex(node)
