"""Draw the figures and tables of the notebooks."""

import ast
import base64
import html
import io
import re
from collections.abc import Mapping, Sequence

import marimo as mo
import matplotlib.pyplot as plt
import numpy as np
from autograd_walk import Visit
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from steps import Step, Values, numerical_gradient

from stages.mlp_figures.losses import loss_accuracy_figure
from stages.mlp_figures.points import scatter
from stages.mlp_numpy.gradcheck import matching_digits, relative_error
from stages.mlp_numpy.history import Dataset
from stages.mlp_numpy.model import ACTIVATIONS, Array, Weights
from stages.plotting import style

GRID_SIZE = 80  # grid points per axis in the panels of the hidden units
CHANGED = "\N{BULLET}"  # marks a number that differs from the one before


def image(figure: Figure, description: str, width: int = 640) -> mo.Html:
    """Return a figure as a picture that scales with the page, and close it.

    Args:
        figure: The figure.
        description: The alternative text for readers who do not see the picture.
        width: Largest width, in CSS pixels.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    plt.close(figure)
    data = base64.b64encode(buffer.getvalue()).decode()
    return mo.Html(
        f'<img alt="{html.escape(description)}" src="data:image/png;base64,{data}"'
        f' style="width: 100%; height: auto; max-width: {width}px">'
    )


def curves_figure(curves: Mapping[str, Sequence[float]], epoch: int) -> Figure:
    """Draw loss and accuracy over the epochs, and a line at one epoch.

    Args:
        curves: As in `loss_accuracy_figure`.
        epoch: The epoch to mark; 0 is before training.
    """
    figure = loss_accuracy_figure(curves)
    for axes in figure.axes:
        axes.axvline(epoch, color=style.GREY, linewidth=1)
    return figure


def hidden_units_figure(weights: Weights, activation: str, data: Dataset) -> Figure:
    """Draw the output of each hidden unit over the plane, one panel per unit.

    The line is where the weighted sum of the unit is 0. The arrow points to where it grows.
    """
    h = len(weights.b1)
    columns = min(4, h)
    rows = -(-h // columns)
    low, high = data.X.min(axis=0) - 0.3, data.X.max(axis=0) + 0.3
    x1, x2 = (np.linspace(low[axis], high[axis], GRID_SIZE) for axis in (0, 1))
    grid = np.stack(np.meshgrid(x1, x2), axis=-1).reshape(-1, 2)
    Z1 = grid @ weights.W1 + weights.b1
    A1 = ACTIVATIONS[activation].phi(Z1)
    limit = max(1.0, float(A1.max()))
    colors = LinearSegmentedColormap.from_list("units", [style.BLUE, "white", style.ORANGE])
    figure, panels = plt.subplots(
        rows, columns, figsize=(style.WIDTH, 0.5 + 1.5 * rows), sharex=True, sharey=True,
        squeeze=False,
    )  # fmt: skip
    for axes in panels.flat[h:]:
        axes.set_axis_off()
    for unit, axes in enumerate(panels.flat[:h]):
        picture = axes.imshow(
            A1[:, unit].reshape(GRID_SIZE, GRID_SIZE), origin="lower", aspect="auto",
            extent=(low[0], high[0], low[1], high[1]), cmap=colors, vmin=-limit, vmax=limit,
        )  # fmt: skip
        sums = Z1[:, unit].reshape(GRID_SIZE, GRID_SIZE)
        if sums.min() < 0 < sums.max():
            axes.contour(x1, x2, sums, levels=[0], colors="black", linewidths=1)
        _draw_arrow(axes, weights.W1[:, unit], float(weights.b1[unit]), low, high)
        scatter(axes, data.X[:150], data.labels[:150], size=5, names=[""] * data.n_classes)
        axes.set(aspect="auto", xlabel="", ylabel="", xticks=[], yticks=[])
        axes.set_title(f"unit {unit + 1}", fontsize=10)
    figure.colorbar(picture, ax=panels, label="output", aspect=12 * rows, ticks=[-limit, 0, limit])
    return figure


def _draw_arrow(axes: plt.Axes, w: Array, b: float, low: Array, high: Array) -> None:
    """Draw an arrow across the line w @ x + b = 0, where it is nearest to the center."""
    length = np.linalg.norm(w)
    if length == 0:
        return
    center = (low + high) / 2
    start = center - (center @ w + b) / length**2 * w
    end = start + 0.17 * (high - low).min() * w / length
    if np.all((low < start) & (start < high)):
        axes.annotate(
            "", tuple(end), tuple(start), arrowprops={"arrowstyle": "-|>", "color": "black"}
        )


def losses_figure(losses: Mapping[str, Array]) -> Figure:
    """Draw training losses, and their absolute difference from the first one.

    Args:
        losses: The loss after each epoch, by name of the network; the first is the reference.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(style.WIDTH, 2.9), width_ratios=(3, 2))
    lines = [
        {"color": style.GREEN, "linewidth": 12},
        {"color": style.SKY, "linewidth": 8},
        {"color": style.ORANGE, "linewidth": 4},
        {"color": "black", "linewidth": 1.5, "linestyle": (0, (3, 2))},
    ]  # from wide to narrow, so that all are visible where they coincide
    reference, *others = losses
    epochs = np.arange(1, len(losses[reference]) + 1)
    for name, line in zip(losses, lines, strict=True):
        left.plot(epochs, losses[name], label=name, **line)
    left.set(xlabel="epoch", ylabel="training loss (nats per point)")
    left.set_ylim(bottom=0)
    left.legend(fontsize=10)
    for name, marker, color in zip(others, ".x+", style.COLOR_CYCLE, strict=False):
        right.plot(
            epochs, np.abs(losses[name] - losses[reference]), marker, color=color, label=name
        )
    spacing = np.spacing(losses[reference])
    right.plot(epochs, spacing, color=style.GREY, linewidth=1, label="float64 precision")
    right.set(xlabel="epoch", ylabel=f"difference\nfrom {reference} (nats)")
    largest = max(
        spacing.max(), *(np.abs(losses[name] - losses[reference]).max() for name in others)
    )
    right.set_ylim(top=1.9 * largest if np.isfinite(largest) else None)  # room for the legend
    right.legend(fontsize=8, loc="upper right")
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    return figure


def numbers(array: Array, label: str, before: Array | None = None, digits: int = 4) -> str:
    """Return an array as an HTML table.

    Args:
        array: A number, a vector, which becomes a row, or a matrix.
        label: The name of the array for screen readers.
        before: An array of the same shape. Elements that differ from it are bold and marked.
        digits: Decimals.
    """
    array = np.atleast_2d(array)
    before = array if before is None else np.atleast_2d(before)
    rows = []
    for row, row_before in zip(array, before, strict=True):
        cells = []
        for value, value_before in zip(row, row_before, strict=True):
            text = f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")
            if value != value_before:
                text = f'<b title="was {value_before:.{digits}f}">{CHANGED}{text}</b>'
            cells.append(f"<td>{text}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f'<table class="numbers" aria-label="{html.escape(label)}">{"".join(rows)}</table>'


def step(step: Step, before: Step, function: str, values: Values) -> str:
    """Return a line of code as HTML: equation, code, shape and numbers.

    A gradient also gets its central differences.

    Args:
        step: The line.
        before: The same line with the original weights.
        function: The name of its function.
        values: The variables of the step of backpropagation.
    """
    equation = step.equation
    size = " × ".join(map(str, np.shape(step.value))) or "a number"
    shape = f"{equation.shape} = {size}" if equation.shape.strip("()") else size
    # V[:] = ... overwrites V.
    target = equation.symbol + ("[:]" if "leftarrow" in equation.left else "")
    parts = [
        f'<div class="line">{tex(f"{equation.left} {equation.right}")}'
        f"<code>{html.escape(f'{target} = {equation.code}')}</code>"
        f"<small>{shape}</small></div>",
        f"<div>{numbers(step.value, equation.symbol, before.value)}</div>",
    ]
    if function == "backward":
        difference = numerical_gradient(equation.symbol[1:], values)
        error = relative_error(step.value, difference)
        parts.append(
            f"<div><small>central differences: {matching_digits(error)} digits match</small>"
            f"{numbers(difference, f'central differences for {equation.symbol}')}</div>"
        )
    return f'<div class="step">{"".join(parts)}</div>'


def visit(visit: Visit, lines: Sequence[Step]) -> str:
    """Return a gradient that autograd passes on as HTML, next to the line of `backward`.

    Args:
        visit: A step of the walk.
        lines: The lines of `backward`.
    """
    line = "".join(
        f"{tex(f'{step.equation.left} {step.equation.right}')}"
        f"<code>{html.escape(f'{step.equation.symbol} = {step.equation.code}')}</code>"
        for step in lines
        if step.equation.symbol == visit.symbol and visit.first
    )
    if not visit.symbol:
        line = "<small>no line: <code>backward</code> treats softmax and loss together</small>"
    elif not visit.first:
        how = "transposed, " if visit.transposed else ""
        line = f"<small>{how}the same numbers as <code>{visit.symbol}</code> above</small>"
    return (
        f'<div class="step"><div class="line"><code>{visit.node}</code><br>'
        f"\N{RIGHTWARDS ARROW} <code>{visit.to}</code></div>"
        f"<div>{numbers(visit.gradient, f'gradient from {visit.node}')}</div>"
        f'<div class="line">{line}</div></div>'
    )


def tex(formula: str) -> str:
    """Return the HTML of a formula in LaTeX."""
    return mo.md(f"${formula}$").text


def without_docstrings(source: str) -> list[str]:
    """Return the lines of a module without docstrings and without the blank lines around them."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            docstring = node.body[0]
            end = docstring.end_lineno or docstring.lineno
            lines[docstring.lineno - 1 : end] = [""] * (end - docstring.lineno + 1)
    text = re.sub(r":\n\n+(?= )", ":\n", "\n".join(lines))
    return re.sub(r"\n{3,}", "\n\n", text).strip().splitlines()


def code_listing(lines: Sequence[str], marked: set[int], label: str) -> str:
    """Return the HTML of lines of code, of which some are marked.

    Args:
        lines: Lines of code.
        marked: Their indices; a mark is a bar, a plus sign and bold type.
        label: The name of the listing for screen readers.
    """
    rows = []
    for index, line in enumerate(lines):
        text = html.escape(line)
        rows.append(
            f'<mark class="new">+ {text}</mark>' if index in marked else f"<span>  {text}</span>"
        )
    return (
        f'<pre class="listing" tabindex="0" role="region" aria-label="{html.escape(label)}">'
        + "\n".join(rows)
        + "</pre>"
    )


# The style of the tables above. Colors keep a contrast of at least 4.5 in light and dark mode.
CSS = """
<style>
table.numbers { border-collapse: collapse; border: solid currentColor; border-width: 0 1.5px;
  border-radius: 4px; font: 0.85rem ui-monospace, monospace; margin: 0.15rem 0; width: auto; }
table.numbers td { padding: 0 0.45rem; text-align: right; white-space: nowrap; border: 0; }
.step { border-top: 1px solid #8886; padding: 0.5rem 0; display: flex; flex-wrap: wrap;
  gap: 0.25rem 1.25rem; align-items: center; }
.step > div { min-width: 9rem; }
.step > .line { flex: 1 1 17rem; max-width: 24rem; }
.step-heading { font-weight: bold; font-size: 1.1rem; margin: 1.2rem 0 0.3rem; }
.step code { overflow-wrap: anywhere; font-size: 0.8rem; }
.step small { opacity: 0.8; display: block; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(21rem, 100%), 1fr));
  gap: 1rem; }
.columns > * { min-width: 0; }
pre.listing { overflow-x: auto; font: 0.72rem/1.5 ui-monospace, monospace; margin: 0.3rem 0;
  padding: 0.5rem; border: 1px solid #8886; border-radius: 6px; white-space: pre; }
pre.listing mark.new { background: #E69F0033; color: inherit; font-weight: bold;
  box-shadow: -3px 0 #E69F00; display: inline-block; min-width: 100%; }
</style>
"""
