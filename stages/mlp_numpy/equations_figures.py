"""Stage: the equations as pictures, forward and backward, set from the code of model.py."""

import argparse
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stages.common import figures
from stages.common.errors import run
from stages.mlp_numpy import model
from stages.mlp_numpy.equations import Equation, equations, result

# In points, for pictures shown at 400 of their 1,000 pixels: 23 points become 21 pixels high.
LARGE, SMALL = 23, 16
# In inches from the top left corner of a page of figures.WIDTH.
LEFT, RIGHT, SIGN, LINE = 0.1, figures.WIDTH - 0.1, 1.55, 0.5


class Sheet:
    """A page that is filled from the top, a line at a time, and is as high as what it holds."""

    def __init__(self) -> None:
        self.figure = plt.figure(layout="none")
        self.axes: Axes = self.figure.add_axes((0, 0, 1, 1), frameon=False)
        self.axes.set(xticks=[], yticks=[])
        self.y = 0.0

    def text(self, x: float, text: str, size: float, **style: Any) -> None:
        """Text on the current line."""
        self.axes.text(x, self.y, text, fontsize=size, va="baseline", **style)

    def heading(self, text: str, right: str) -> None:
        """What follows, and what stands at its right, above a rule."""
        self.y += 0.42
        self.text(LEFT, text, SMALL, color=figures.BLUE, weight="bold")
        self.text(RIGHT, right, SMALL, color=figures.BLUE, ha="right")
        self.y += 0.1
        self.axes.plot([LEFT, RIGHT], [self.y, self.y], color=figures.BLUE, linewidth=1)

    def equation(self, equation: Equation) -> None:
        """The signs of equality one below the other, the shape at the right."""
        self.y += LINE
        left, sign = equation.left.rsplit(" ", 1)
        self.text(SIGN - 0.24, f"${left}$", LARGE, ha="right")
        self.text(SIGN, f"${sign}$", LARGE, ha="center")
        self.text(SIGN + 0.25, f"${equation.right}$", LARGE)
        shape = equation.shape.strip("(),").replace(", ", r" \times ") or r"\mathrm{number}"
        if equation.shape:
            self.text(RIGHT, f"${shape}$", LARGE - 4, ha="right", color=figures.GREY)
        if r"\sum_" in equation.right:
            self.y += 0.22  # for what stands below the sign

    def note(self, name: str, text: str) -> None:
        """A smaller line: a name and what it stands for."""
        self.y += 0.37
        self.text(LEFT, name, SMALL, color=figures.GREY)
        self.text(SIGN + 0.25, text, SMALL, color=figures.GREY)

    def finish(self) -> Figure:
        """Cut the page below its last line."""
        self.y += 0.18
        self.figure.set_size_inches(figures.WIDTH, self.y)
        self.axes.set(xlim=(0, figures.WIDTH), ylim=(self.y, 0))
        return self.figure


def forward_figure() -> Figure:
    """The forward pass, the loss, and the activations."""
    sheet = Sheet()
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
    for name, activation in model.ACTIVATIONS.items():
        sheet.note(name, rf"$\varphi(Z_1) = {result(activation.phi)}$")
    sheet.note("$X$, $Y$", "samples; their classes, one-hot")
    sheet.note(r"$\odot$", "element by element")
    sheet.note("shapes", "$m$ samples, $n$ coordinates,")
    sheet.note("", "$h$ hidden units, $C$ classes")
    return sheet.finish()


def backward_figure() -> Figure:
    """The backward pass, the update, and the derivatives of the activations."""
    sheet = Sheet()
    sheet.heading("backward", "shape")
    for equation in equations(model.backward):
        sheet.equation(equation)
    sheet.y += 0.2
    sheet.heading("update", "of each weight $W$")
    for equation in equations(model.update):
        sheet.equation(equation)
    sheet.y += 0.2
    sheet.heading("where", "")
    sheet.note(r"$dQ$", r"$\partial L / \partial Q$, of the shape of $Q$")
    sheet.note(r"$\varphi'(A_1)$", r"slope of $\varphi$ at $Z_1$, from $A_1$")
    for name, activation in model.ACTIVATIONS.items():
        sheet.note(name, rf"$\varphi'(A_1) = {result(activation.phi_prime)}$")
    sheet.note(r"$V$, $\mu$, $\eta$", "velocity, momentum, learning rate")
    return sheet.finish()


def main() -> None:
    """Typeset both sheets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--forward", type=Path, required=True, help="PNG to write")
    parser.add_argument("--backward", type=Path, required=True, help="PNG to write")
    arguments = parser.parse_args()
    figures.save(forward_figure(), arguments.forward)
    figures.save(backward_figure(), arguments.backward)


if __name__ == "__main__":
    run(main)
