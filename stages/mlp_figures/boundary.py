"""Figures of the decision boundary: of one network, of several, and an animation of a training."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from stages.common.files import atomic_write
from stages.mlp_figures.points import COLORS, class_names, same_scale, scatter
from stages.mlp_numpy.model import ACTIVATIONS, Weights, forward
from stages.plotting import style

BACKGROUND_ALPHA = 0.5  # opacity of the background where the network is certain
GRID_SIZE = 200  # grid points per axis
GIF_FRAMES, GIF_DPI, GIF_COLORS = 40, 84, 128
FRAME_MILLISECONDS, LAST_FRAME_MILLISECONDS = 120, 2500


def draw_boundary(
    axes: Axes,
    weights: Weights,
    activation: str,
    X: NDArray[np.float64],
    labels: NDArray[np.int64],
    names: Sequence[str],
) -> None:
    """Draw the most probable class of each position, the decision boundary, and the points.

    The background has the color of the most probable class, more intense the more certain it is.

    Args:
        axes: Axes to draw on.
        weights: Weights of the network.
        activation: A key of ACTIVATIONS.
        X: Points of shape (m, 2).
        labels: Their classes, of shape (m,).
        names: Names of the classes.
    """
    low, high = X.min(axis=0), X.max(axis=0)
    extent = high - low
    if same_scale(X):
        extent = extent.max()
    padding = 0.08 * np.where(extent > 0, extent, 1)
    low, high = low - padding, high + padding
    x1, x2 = (np.linspace(low[axis], high[axis], GRID_SIZE) for axis in (0, 1))
    grid = np.stack(np.meshgrid(x1, x2), axis=-1).reshape(-1, 2)
    A2 = forward(grid, *weights, ACTIVATIONS[activation].phi)[2]
    n_classes = A2.shape[1]

    # 0 where all classes are equally probable, 1 where the probability of one is 1.
    certainty = (A2.max(axis=1) - 1 / n_classes) / (1 - 1 / n_classes)
    colors = np.array([to_rgb(color) for color in COLORS[:n_classes]])
    image = 1 - BACKGROUND_ALPHA * certainty[:, None] * (1 - colors[A2.argmax(axis=1)])
    axes.imshow(
        image.reshape(GRID_SIZE, GRID_SIZE, 3),
        origin="lower",
        extent=(low[0], high[0], low[1], high[1]),
        interpolation="bilinear",
    )
    for c in range(n_classes if n_classes > 2 else 1):
        margin = A2[:, c] - np.delete(A2, c, axis=1).max(axis=1)
        axes.contour(
            x1, x2, margin.reshape(GRID_SIZE, GRID_SIZE),
            levels=[0], colors="black", linewidths=1.2,
        )  # fmt: skip
    scatter(axes, X, labels, size=12, names=names)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))


def add_colorbar(figure: Figure, axes: list[Axes], names: Sequence[str]) -> None:
    """Add a colorbar of the probability for two classes, or a legend of the classes for more."""
    if len(names) != 2:
        handles, _ = axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside right center", markerscale=2)
        return
    colors = np.array([to_rgb(name) for name in (COLORS[0], "white", COLORS[1])])
    colormap = LinearSegmentedColormap.from_list("classes", 1 - BACKGROUND_ALPHA * (1 - colors))
    scale = plt.cm.ScalarMappable(Normalize(0, 1), colormap)
    figure.colorbar(
        scale, ax=axes, label=f"probability of {names[1]}", ticks=[0, 0.5, 1], aspect=28
    )


def boundary_figure(
    weights: Weights,
    activation: str,
    X: NDArray[np.float64],
    labels: NDArray[np.int64],
    names: Sequence[str],
) -> Figure:
    """Draw the decision boundary of one network; arguments as in `draw_boundary`."""
    figure, axes = plt.subplots(figsize=(style.WIDTH, 3.5))
    draw_boundary(axes, weights, activation, X, labels, names)
    add_colorbar(figure, [axes], names)
    return figure


def boundaries_figure(
    networks: dict[str, tuple[Weights, str]],
    X: NDArray[np.float64],
    labels: NDArray[np.int64],
) -> Figure:
    """Draw the decision boundaries of four networks, given by name as weights and activation."""
    n_classes = len(next(iter(networks.values()))[0].b2)
    names = class_names(n_classes)
    figure, grid = plt.subplots(2, 2, figsize=(style.WIDTH, 3.9), sharex=True, sharey=True)
    for axes, (name, (weights, activation)) in zip(grid.flat, networks.items(), strict=True):
        draw_boundary(axes, weights, activation, X, labels, names)
        axes.set_title(name)
        axes.label_outer()
    add_colorbar(figure, list(grid.flat), names)
    return figure


def frame_epochs(epochs: int) -> list[int]:
    """Return the epochs to show: all at first, then fewer and fewer as the changes get smaller."""
    return sorted({0, *np.geomspace(1, epochs, GIF_FRAMES).round().astype(int).tolist()})


def save_animation(
    path: Path,
    history: Weights,
    activation: str,
    X: NDArray[np.float64],
    labels: NDArray[np.int64],
) -> None:
    """Write a GIF that shows how the decision boundary forms during the training.

    Args:
        path: GIF file to write.
        history: Weights of all epochs, stacked along the first axis.
        activation: A key of ACTIVATIONS.
        X: Points of shape (m, 2).
        labels: Their classes, of shape (m,).
    """
    frames = []
    figure, axes = plt.subplots(figsize=(style.WIDTH, 3.5), dpi=GIF_DPI)
    for epoch in frame_epochs(len(history.b2) - 1):
        weights = Weights(*(stacked[epoch] for stacked in history))
        axes.clear()
        draw_boundary(axes, weights, activation, X, labels, class_names(history.b2.shape[1]))
        axes.set_title(f"epoch {epoch}", loc="left")
        figure.canvas.draw()
        figure.set_layout_engine("none")  # keep the layout of the first frame
        pixels = np.asarray(figure.canvas.buffer_rgba())  # type: ignore[attr-defined]
        frames.append(Image.fromarray(pixels).convert("RGB"))
    plt.close(figure)
    palette = _make_palette(frames[0], frames[-1])
    frames = [_quantize(frame, palette) for frame in frames]
    with atomic_write(path) as temporary:
        frames[0].save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=frames[1:],
            duration=[FRAME_MILLISECONDS] * (len(frames) - 1) + [LAST_FRAME_MILLISECONDS],
            loop=0,
        )


def _make_palette(first: Image.Image, last: Image.Image) -> Image.Image:
    """Return one palette for all frames: the colors do not flicker, and the file is small.

    It comes from the first frame, which is pale, and the last, which is intense. White, black and
    the colors of the classes are added exactly, although few pixels have them.
    """
    width, height = first.size
    both = Image.new("RGB", (width, 2 * height))
    both.paste(first, (0, 0))
    both.paste(last, (0, height))
    found = both.quantize(GIF_COLORS).getpalette() or []
    exact = [round(255 * part) for name in ("white", "black", *COLORS) for part in to_rgb(name)]
    palette = Image.new("P", (1, 1))
    palette.putpalette(exact + found[: 3 * GIF_COLORS])
    return palette


def _quantize(frame: Image.Image, palette: Image.Image) -> Image.Image:
    """Return the frame in the colors of the palette."""
    quantized = frame.quantize(palette=palette, dither=Image.Dither.NONE)
    # Pillow maps white to a color that is only nearly white.
    white = frame.convert("L").point(lambda level: 255 if level == 255 else 0)
    quantized.paste(0, mask=white)  # the first color of the palette is white
    return quantized
