"""Figures of the equations, forward and backward, typeset from the code of model.py."""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stages.mlp_figures.equations import Equation, equations, forms
from stages.mlp_numpy import model
from stages.plotting import style

# The README shows the figures at 400 of their 1,000 pixels, where 23 points are 21 pixels high.
EQUATION_FONT_SIZE, TEXT_FONT_SIZE = 23, 16
# Positions in inches from the left edge of the sheet.
LEFT, EQUALS_SIGN, RIGHT = 0.1, 1.55, style.WIDTH - 0.1
LINE_HEIGHT = 0.5  # inches

# What model.log_softmax computes. The code also subtracts the maximum of each row.
LOG_SOFTMAX = r"Z_2 - \log\, \sum_{\mathrm{classes}}\, e^{Z_2}"


class EquationSheet:
    """A figure that is filled line by line from the top and gets the height of its contents."""

    def __init__(self) -> None:
        self.figure = plt.figure(layout="none")
        self.axes: Axes = self.figure.add_axes((0, 0, 1, 1), frameon=False)
        self.axes.set(xticks=[], yticks=[])
        self.y = 0.0  # inches from the top to the baseline of the current line

    def text(self, x: float, text: str, size: float, **kwargs: Any) -> None:
        """Draw text on the current line."""
        self.axes.text(x, self.y, text, fontsize=size, va="baseline", **kwargs)

    def heading(self, left: str, right: str) -> None:
        """Add a line with text on the left and on the right, and a rule below it."""
        self.y += 0.42
        self.text(LEFT, left, TEXT_FONT_SIZE, color=style.BLUE, weight="bold")
        self.text(RIGHT, right, TEXT_FONT_SIZE, color=style.BLUE, ha="right")
        self.y += 0.1
        self.axes.plot([LEFT, RIGHT], [self.y, self.y], color=style.BLUE, linewidth=1)

    def equation(self, equation: Equation) -> None:
        """Add an equation, aligned at its equals sign, and its shape on the right."""
        self.y += LINE_HEIGHT
        left, sign = equation.left.rsplit(" ", 1)
        self.text(EQUALS_SIGN - 0.24, f"${left}$", EQUATION_FONT_SIZE, ha="right")
        self.text(EQUALS_SIGN, f"${sign}$", EQUATION_FONT_SIZE, ha="center")
        self.text(EQUALS_SIGN + 0.25, f"${equation.right}$", EQUATION_FONT_SIZE)
        shape = equation.shape.strip("(),").replace(", ", r" \times ") or r"\mathrm{number}"
        if equation.shape:
            self.text(RIGHT, f"${shape}$", EQUATION_FONT_SIZE - 4, ha="right", color=style.GREY)
        if r"\sum_" in equation.right:
            self.y += 0.22  # the subscript of the sum

    def legend_line(self, name: str, meaning: str) -> None:
        """Add a smaller line: a symbol and its meaning."""
        fraction = r"\frac" in meaning
        self.y += 0.5 if fraction else 0.37
        self.text(LEFT, name, TEXT_FONT_SIZE, color=style.GREY)
        meaning = meaning.replace(r"\frac", r"\dfrac")  # \frac would be too small here
        self.text(EQUALS_SIGN + 0.25, meaning, TEXT_FONT_SIZE, color=style.GREY)
        self.y += 0.15 if fraction or r"\sum_" in name + meaning else 0

    def operators(self) -> None:
        """Add the lines that explain the notation of matrices, the same on both sheets."""
        self.legend_line(r"$\odot$", "product, element by element")
        self.legend_line(r"$Q^{\mathsf{T}}$", "transpose: rows become columns")
        self.y += 0.08
        self.legend_line(r"$\sum$", "sum of all elements")
        self.y += 0.08
        self.legend_line(r"$\sum_{\mathrm{rows}}$", "sum over the rows (samples)")

    def finish(self) -> Figure:
        """Crop the figure below the last line and return it."""
        self.y += 0.18
        self.figure.set_size_inches(style.WIDTH, self.y)
        self.axes.set(xlim=(0, style.WIDTH), ylim=(self.y, 0))
        return self.figure


def forward_figure() -> Figure:
    """Typeset the forward pass, the loss, and the activations."""
    sheet = EquationSheet()
    sheet.heading("forward", "shape")
    for equation in equations(model.forward):
        sheet.equation(equation)
    sheet.y += 0.2
    sheet.heading("loss", "")
    sheet.y += 0.1
    for equation in equations(model.loss):
        sheet.equation(equation)
    sheet.y += 0.3
    sheet.heading("where", "")
    sheet.legend_line(r"$\log\,\mathrm{softmax}$", rf"$= {LOG_SOFTMAX}$")
    sheet.legend_line("", "logarithms: no overflow, no log 0")
    for name, activation in model.ACTIVATIONS.items():
        sheet.legend_line(name, rf"$\varphi(Z_1) = {forms(activation.phi, activation.latex)}$")
    sheet.legend_line("$X$, $Y$", "samples; their classes, one-hot")
    sheet.legend_line("$+$ $b$", "adds $b$ to each row")
    sheet.operators()
    sheet.legend_line("shapes", "$m$ samples, $n$ coordinates,")
    sheet.legend_line("", "$h$ hidden units, $C$ classes")
    return sheet.finish()


def backward_figure() -> Figure:
    """Typeset the backward pass, the update, and the derivatives of the activations."""
    sheet = EquationSheet()
    sheet.heading("backward", "shape")
    for equation in equations(model.backward):
        sheet.equation(equation)
    sheet.y += 0.2
    sheet.heading("update", "of each weight $W$")
    for equation in equations(model.update):
        sheet.equation(equation)
    sheet.y += 0.2
    sheet.heading("where", "")
    sheet.legend_line(r"$dQ$", r"$\partial L / \partial Q$, of the shape of $Q$")
    sheet.legend_line(r"$\varphi'(A_1)$", r"slope of $\varphi$ at $Z_1$, in terms of $A_1$")
    for name, activation in model.ACTIVATIONS.items():
        slope = forms(activation.phi_prime, activation.prime_latex)
        sheet.legend_line(name, rf"$\varphi'(A_1) = {slope}$")
    sheet.legend_line(r"$[\;\ldots\;]$", "1 where this is true, else 0")
    sheet.operators()
    sheet.legend_line(r"$V$, $\mu$, $\eta$", "velocity, momentum, learning rate")
    return sheet.finish()
