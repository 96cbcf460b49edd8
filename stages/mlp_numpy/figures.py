"""Stage: the pictures of a training: its curves, the decision boundary, and how that formed."""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from stages.common import figures
from stages.common.errors import run
from stages.common.files import atomic
from stages.mlp_numpy.model import ACTIVATIONS, Weights, forward
from stages.mlp_numpy.series import curve
from stages.mlp_numpy.weights import load
from stages.points import table
from stages.points.figures import COLORS, scatter

Points = tuple[NDArray[np.float64], NDArray[np.int64]]
TINT = 0.5  # how much of its colour the background of a class has where the network is certain
FRAMES, MILLISECONDS, LAST_MILLISECONDS = 40, 120, 2500
GIF_DPI, GIF_COLORS = 84, 128


def loss_accuracy(live: Path) -> Figure:
    """Loss and accuracy, train and test, over the epochs."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, 2.7))
    for axes, name, label in (
        (left, "loss", "loss (nats per point)"),
        (right, "acc", "accuracy (%)"),
    ):
        for part, style in (("train", "-"), ("test", "--")):
            series = curve(live, f"{part}/{name}")
            if name == "acc":
                series = 100 * series
            axes.plot(np.arange(1, len(series) + 1), series, style, label=part)
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    left.set_ylim(bottom=0)
    left.legend()
    return figure


def draw_boundary(axes: Axes, weights: Weights, activation: str, points: Points) -> None:
    """Tint the plane by the most probable class, the surer the deeper, and draw the boundary."""
    X, labels = points
    low, high = X.min(axis=0), X.max(axis=0)
    margin = 0.08 * (high - low).max()
    low, high = low - margin, high + margin
    x1, x2 = (np.linspace(low[axis], high[axis], 200) for axis in (0, 1))
    grid = np.stack(np.meshgrid(x1, x2), axis=-1).reshape(-1, 2)
    A2 = forward(grid, *weights, ACTIVATIONS[activation].phi)[2]
    classes = A2.shape[1]

    # 0 where all classes are equally probable, 1 where one is certain.
    sure = (A2.max(axis=1) - 1 / classes) / (1 - 1 / classes)
    colors = np.array([to_rgb(COLORS[c % len(COLORS)]) for c in range(classes)])
    image = 1 - TINT * sure[:, None] * (1 - colors[A2.argmax(axis=1)])
    axes.imshow(
        image.reshape(200, 200, 3),
        origin="lower",
        extent=(low[0], high[0], low[1], high[1]),
        interpolation="bilinear",
    )
    for c in range(classes if classes > 2 else 1):
        lead = A2[:, c] - np.delete(A2, c, axis=1).max(axis=1)
        axes.contour(x1, x2, lead.reshape(200, 200), levels=[0], colors="black", linewidths=1.2)
    scatter(axes, X, labels, size=12)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))


def add_scale(figure: Figure, axes: list[Axes], classes: int) -> None:
    """With two classes, the scale of the tint; with more, which have one each, their names."""
    if classes != 2:
        handles, names = axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside right center", markerscale=2)
        return
    colors = np.array([to_rgb(name) for name in (COLORS[0], "white", COLORS[1])])
    tints = LinearSegmentedColormap.from_list("classes", 1 - TINT * (1 - colors))
    scale = plt.cm.ScalarMappable(Normalize(0, 1), tints)
    figure.colorbar(scale, ax=axes, label="probability of class 1", ticks=[0, 0.5, 1], aspect=28)


def boundary(weights: Weights, activation: str, points: Points) -> Figure:
    """The decision boundary of one network, with the test points."""
    figure, axes = plt.subplots(figsize=(figures.WIDTH, 3.5))
    draw_boundary(axes, weights, activation, points)
    add_scale(figure, [axes], len(weights.b2))
    return figure


def frame_epochs(epochs: int) -> list[int]:
    """The epochs to show: all at first, then ever fewer, for that is how training goes."""
    return sorted({0, *np.geomspace(1, epochs, FRAMES).round().astype(int).tolist()})


def save_animation(path: Path, history: Weights, activation: str, points: Points) -> None:
    """Write a GIF of the boundary, a frame for each of some epochs; `history` stacks the epochs."""
    frames = []
    for epoch in frame_epochs(len(history.b2) - 1):
        weights = Weights(*(stacked[epoch] for stacked in history))
        figure, axes = plt.subplots(figsize=(figures.WIDTH, 3.5), dpi=GIF_DPI)
        draw_boundary(axes, weights, activation, points)
        axes.set_title(f"epoch {epoch}", loc="left")
        figure.canvas.draw()
        pixels = np.asarray(figure.canvas.buffer_rgba())  # type: ignore[attr-defined]
        frames.append(Image.fromarray(pixels).convert("RGB"))
        plt.close(figure)
    # One palette for all, from the first frame, pale, and the last, deep: no flicker, a small file.
    width, height = frames[0].size
    both = Image.new("RGB", (width, 2 * height))
    both.paste(frames[0], (0, 0))
    both.paste(frames[-1], (0, height))
    found = both.quantize(GIF_COLORS).getpalette() or []
    # The small things' colours must be exact, few as their pixels are.
    exact = [round(255 * part) for name in ("white", "black", *COLORS) for part in to_rgb(name)]
    palette = Image.new("P", (1, 1))
    palette.putpalette(exact + found[: 3 * GIF_COLORS])
    frames = [_reduce(frame, palette) for frame in frames]
    with atomic(path) as temporary:
        frames[0].save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=frames[1:],
            duration=[MILLISECONDS] * (len(frames) - 1) + [LAST_MILLISECONDS],
            loop=0,
        )


def _reduce(frame: Image.Image, palette: Image.Image) -> Image.Image:
    """The frame in the palette's colours; Pillow's nearest colour of white is only nearly white."""
    reduced = frame.quantize(palette=palette, dither=Image.Dither.NONE)
    white = frame.convert("L").point(lambda level: 255 if level == 255 else 0)
    reduced.paste(0, mask=white)  # the palette begins with white
    return reduced


def main() -> None:
    """Draw the three pictures of the hand-written network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--test", type=Path, required=True, help="CSV: the points to show")
    parser.add_argument("--live", type=Path, required=True, help="directory of the curves")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--history", type=Path, required=True)
    parser.add_argument("--loss-accuracy", type=Path, required=True, help="PNG to write")
    parser.add_argument("--boundary", type=Path, required=True, help="PNG to write")
    parser.add_argument("--training", type=Path, required=True, help="GIF to write")
    arguments = parser.parse_args()

    weights, activation = load(arguments.model)
    history, _ = load(arguments.history)
    X, labels, _ = table.read(arguments.test, len(weights.b2))
    figures.save(loss_accuracy(arguments.live), arguments.loss_accuracy)
    figures.save(boundary(weights, activation, (X, labels)), arguments.boundary)
    save_animation(arguments.training, history, activation, (X, labels))


if __name__ == "__main__":
    run(main)
