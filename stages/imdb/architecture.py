"""Stage: draw a network from the live module: its layers, and shapes as they really flow."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from torch import Tensor, nn

from stages.common import figures
from stages.common.errors import run
from stages.common.figures import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY
from stages.imdb.batches import pad
from stages.imdb.models import LSTMClassifier, MeanClassifier, probabilities
from stages.imdb.saved import Description, Network, describe, load

SHOWN = ["what", "a", "great", "film", "!"]


@dataclass(frozen=True)
class Layer:
    """What a layer of a network is, and the shapes of what went in and came out for one batch."""

    kind: str
    given: tuple[int, ...]
    shape: tuple[int, ...]
    parameters: int


def trace(network: Network, ids: Tensor, lengths: Tensor) -> dict[str, Layer]:
    """Send a batch through the network and note what each layer, by name, is given and gives."""
    layers: dict[str, Layer] = {}

    def note(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            tensor = output[0] if isinstance(output, tuple) else output
            count = sum(weight.numel() for weight in module.parameters())
            given, shape = tuple(inputs[0].shape), tuple(tensor.shape)
            layers[name] = Layer(type(module).__name__, given, shape, count)

        return hook

    handles = [module.register_forward_hook(note(n)) for n, module in network.named_children()]
    try:
        with torch.inference_mode():
            network(ids, lengths)
    finally:
        for handle in handles:
            handle.remove()
    return layers


class Sheet:
    """A drawing surface 10 units wide; y grows upwards."""

    WIDTH = 10.0
    CELL = 0.32

    def __init__(self, height: float) -> None:
        scale = figures.WIDTH / self.WIDTH
        self.figure = Figure((figures.WIDTH, height * scale), figures.DPI)
        self.figure.set_layout_engine("none")
        self.axes: Axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, self.WIDTH), ylim=(0, height))
        self.axes.axis("off")

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        centred: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 10}
        self.axes.text(x, y, text, **centred | style)

    def matrix(self, x: float, y: float, colours: Any, name: str, shape: str) -> None:
        """Coloured cells [rows × columns] centred on (x, y), name above and shape below."""
        rows, columns = len(colours), len(colours[0])
        width, height = columns * self.CELL, rows * self.CELL
        for i in range(rows):
            for j in range(columns):
                corner = (x - width / 2 + j * self.CELL, y + height / 2 - (i + 1) * self.CELL)
                cell = Rectangle(corner, self.CELL, self.CELL, facecolor=colours[i][j])
                cell.set(edgecolor="white", linewidth=0.8)
                self.axes.add_patch(cell)
        self.text(x, y + height / 2 + 0.25, name, fontweight="bold")
        self.text(x, y - height / 2 - 0.12, shape, va="top", fontsize=9.5, linespacing=1.3)

    def box(
        self, x: float, y: float, width: float, height: float, colour: str, text: str = ""
    ) -> None:
        """A layer: a rounded box centred on (x, y)."""
        corner = (x - width / 2, y - height / 2)
        style = "round,pad=0,rounding_size=0.12"
        face = (*to_rgb(colour), 0.18)
        box = FancyBboxPatch(corner, width, height, style, facecolor=face, edgecolor=colour)
        box.set(linewidth=1.4)
        self.axes.add_patch(box)
        self.text(x, y, text, linespacing=1.35)

    def arrow(self, *points: tuple[float, float]) -> None:
        """A line through the points, with a head at the last."""
        self.axes.plot(*zip(*points[:-1], strict=True), color=GREY, linewidth=1.2)
        line = {"arrowstyle": "-|>", "color": GREY, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0}
        self.axes.annotate("", points[-1], points[-2], arrowprops=line)


def shades(values: Tensor) -> Any:
    """Colours of numbers [rows × columns]: orange below 0, blue above, white for 0."""
    scale = values.abs().max().clamp(min=1e-9)
    colour_map = LinearSegmentedColormap.from_list("", [ORANGE, "#F4F4F4", BLUE])
    return colour_map((values / scale + 1).numpy() / 2)


@dataclass(frozen=True)
class Example:
    """A review of five words as it flows through a network."""

    words: list[str]
    ids: Tensor
    lengths: Tensor
    layers: dict[str, Layer]
    rating: Tensor  # [classes]

    @property
    def squash(self) -> str:
        """What makes logits probabilities."""
        return "σ" if len(self.rating) == 2 else "softmax"

    def verdict(self, classes: list[str]) -> str:
        """The probability that it is good, or of the likeliest of many classes; and which one."""
        best = int(self.rating.argmax())
        shown = 1 if len(classes) == 2 else best
        return f"{self.rating[shown]:.2f}  {classes[best]}"


@torch.inference_mode()
def example(network: Network, words: list[str]) -> Example:
    """Send the words that the network knows, of those we show, through it; else frequent ones."""
    numbers = {word: i for i, word in enumerate(words)}
    known = [word for word in SHOWN if word in numbers]
    known += [word for word in words[2:] if word not in SHOWN][: len(SHOWN) - len(known)]
    ids, lengths = pad([np.array([numbers[word] for word in known], np.int32)])
    rating = probabilities(network(ids, lengths))[0]
    return Example(known, ids, lengths, trace(network, ids, lengths), rating)


DIMENSIONS = 6  # of the embedding are shown


@torch.inference_mode()
def draw_mean(network: MeanClassifier, words: list[str], about: Description) -> Figure:
    """One-hot review × embedding matrix = embeddings → average → fully connected → rating."""
    review = example(network, words)
    weight = network.embedding.weight
    dictionary, dim = weight.shape
    length = len(review.words)
    embedded = weight[review.ids[0].long(), :DIMENSIONS]
    output = review.layers["output"]

    sheet = Sheet(6.6)
    y = 4.95
    one_hot = [["#E6E9EC"] * 7 for _ in review.words]
    for i, row in enumerate(one_hot):
        row[(3 * i + 1) % 7] = BLUE
        sheet.text(0.95, y + (length / 2 - i - 0.5) * Sheet.CELL, review.words[i], ha="right")
    shape = f"batch × review_len\n× dictionary\n{times(1, length, dictionary)}"
    sheet.matrix(2.2, y, one_hot, "one-hot review", shape)
    sheet.text(3.75, y, "×", fontsize=17)
    shape = f"dictionary × embedding_dim\n{times(dictionary, dim)}"
    sheet.matrix(5.1, y, shades(weight[2:9, :DIMENSIONS]), "embedding matrix", shape)
    sheet.text(5.1, 2.88, f"{weight.numel():,} parameters", fontsize=9.5, color=GREY)
    sheet.text(6.5, y, "=", fontsize=17)
    shape = f"batch × review_len\n× embedding_dim\n{times(1, length, dim)}"
    sheet.matrix(8.2, y, shades(embedded), "embeddings", shape)

    y = 1.25
    sheet.arrow((8.2, 2.75), (8.2, y + 0.65))
    shape = f"batch × embedding_dim\n{times(*output.given)}"
    sheet.matrix(8.2, y, shades(embedded.mean(dim=0, keepdim=True)), "average", shape)
    sheet.arrow((7.1, y), (6.3, y))
    sheet.box(5.1, y, 2.3, 0.9, GREEN, f"fully connected\n{dim} → {output.shape[-1]}")
    sheet.text(5.1, y - 0.75, f"{output.parameters:,} parameters", fontsize=9.5, color=GREY)
    half = 0.4 if review.squash == "σ" else 0.55
    sheet.arrow((3.9, y), (2.85 + half, y))
    sheet.box(2.75, y, 2 * half, 0.8, PURPLE, review.squash)
    sheet.arrow((2.7 - half, y), (1.9, y))
    sheet.text(1.0, y + 0.2, "rating", fontweight="bold")
    sheet.text(1.0, y - 0.2, review.verdict(about.classes))
    sheet.text(9.9, 0.15, f"trained on: {about.data}", ha="right", fontsize=8.5, color=GREY)
    return sheet.figure


@torch.inference_mode()
def draw_lstm(network: LSTMClassifier, words: list[str], about: Description) -> Figure:
    """The same embeddings → LSTM, unrolled → last, mean and maximum → fully connected → rating."""
    review = example(network, words)
    embedding, lstm, output = (review.layers[name] for name in ("embedding", "lstm", "output"))
    pooled = network.output.in_features

    sheet = Sheet(7.9)
    places = [0.65 + 1.05 * i for i in range(len(review.words))]
    for i, (x, word) in enumerate(zip(places, review.words, strict=True), start=1):
        sheet.text(x, 0.35, word)
        sheet.arrow((x, 0.6), (x, 1.0))
        sheet.box(x, 1.35, 0.8, 0.6, BLUE, f"$e_{i}$")
        sheet.arrow((x, 1.7), (x, 2.3))
        sheet.box(x, 2.75, 0.8, 0.8, ORANGE, "LSTM")
        if i > 1:
            sheet.arrow((x - 0.65, 2.75), (x - 0.4, 2.75))
        sheet.arrow((x, 3.2), (x, 3.75))
        sheet.box(x, 4.1, 0.8, 0.6, GREEN, f"$h_{i}$")
        sheet.arrow((x, 4.45), (x, 5.0))
    middle = (places[0] + places[-1]) / 2
    sheet.box(middle, 5.4, places[-1] - places[0] + 0.8, 0.7, SKY, "last, mean and maximum")
    sheet.arrow((middle, 5.8), (middle, 6.3))
    sheet.box(middle, 6.7, 3.2, 0.7, GREEN, f"fully connected, {pooled} → {output.shape[-1]}")
    sheet.arrow((middle, 7.1), (middle, 7.5))
    sheet.text(middle, 7.65, f"{review.squash}:  {review.verdict(about.classes)}")

    read = "embeddings" if network.pairs is None else "embeddings, word + pair"
    rows = [
        (1.35, read, f"batch × review_len × embedding_dim\n{times(*embedding.shape)}"),
        (2.75, "LSTM", f"{lstm.parameters:,} parameters"),
        (4.1, "states", f"batch × review_len × hidden\n{times(*lstm.shape)}"),
        (5.4, "many to one", f"batch × 3 hidden\n{times(*output.given)}"),
        (6.7, "logit", f"batch × {output.shape[-1]}\n{output.parameters:,} parameters"),
    ]
    for y, name, shape in rows:
        sheet.text(5.65, y + 0.2, name, ha="left", fontweight="bold")
        sheet.text(5.65, y + 0.0, shape, ha="left", va="top", fontsize=9.5, linespacing=1.3)
    sheet.text(9.9, 0.15, f"trained on: {about.data}", ha="right", fontsize=8.5, color=GREY)
    return sheet.figure


def times(*shape: int) -> str:
    """A shape as it is read: 5 × 30,000."""
    return " × ".join(f"{size:,}" for size in shape)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mean", type=Path, required=True, help="folder of the trained network")
    parser.add_argument("--lstm", type=Path, required=True)
    parser.add_argument("--mean-picture", type=Path, required=True)
    parser.add_argument("--lstm-picture", type=Path, required=True)
    args = parser.parse_args()

    mean, words = load(args.mean)
    lstm, _ = load(args.lstm)
    assert isinstance(mean, MeanClassifier)  # noqa: S101  model.json says so
    assert isinstance(lstm, LSTMClassifier)  # noqa: S101
    about = describe(args.mean)
    figures.save(draw_mean(mean, words, about), args.mean_picture)
    figures.save(draw_lstm(lstm, words, about), args.lstm_picture)


if __name__ == "__main__":
    run(main)
