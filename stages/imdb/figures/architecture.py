"""Figures of the two networks, drawn from the trained modules: layers, shapes and parameters."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from torch import Tensor, nn

from stages.imdb.corpus.corpus import text_noun
from stages.imdb.models.batches import collate
from stages.imdb.models.classifiers import (
    BidirectionalClassifier,
    LSTMClassifier,
    MeanEmbeddingClassifier,
    Network,
    logits_to_probs,
)
from stages.imdb.models.serialization import ModelConfig
from stages.plotting.style import BLUE, DPI, GREEN, GREY, ORANGE, PURPLE, SKY, WIDTH
from stages.plotting.text import has_glyphs, printable_classes, replace_missing_glyphs, shorten

EXAMPLE_WORDS = ["what", "a", "great", "film", "!"]
DIMENSIONS = 6  # of the embedding that are drawn


@dataclass(frozen=True)
class Layer:
    """The shapes of the input and output of a layer for one batch, and its parameters."""

    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    num_parameters: int


def trace(network: Network, ids: Tensor, lengths: Tensor) -> dict[str, Layer]:
    """Send a batch through the network and record each layer, by name."""
    layers: dict[str, Layer] = {}

    def record(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            tensor = output[0] if isinstance(output, tuple) else output
            num_parameters = sum(weight.numel() for weight in module.parameters())
            layers[name] = Layer(tuple(inputs[0].shape), tuple(tensor.shape), num_parameters)

        return hook

    handles = [module.register_forward_hook(record(n)) for n, module in network.named_children()]
    network(ids, lengths)
    for handle in handles:
        handle.remove()
    return layers


@dataclass(frozen=True)
class Example:
    """A review of five words, and how it flows through a network."""

    words: list[str]
    ids: Tensor  # int32 [1 × words]
    layers: dict[str, Layer]
    probabilities: Tensor  # float32 [classes]

    @property
    def output_activation(self) -> str:
        """The function that turns logits into probabilities."""
        return "σ" if len(self.probabilities) == 2 else "softmax"

    def prediction(self, classes: list[str], max_chars: int) -> str:
        """Return a probability and the predicted class, its name shortened to `max_chars`.

        The probability is that of the second class if there are two, else of the predicted one.
        """
        best = int(self.probabilities.argmax())
        shown = 1 if len(classes) == 2 else best
        return f"{self.probabilities[shown]:.2f}  {shorten(classes[best], max_chars)}"


@torch.inference_mode()
def trace_example(network: Network, vocab: list[str]) -> Example:
    """Trace EXAMPLE_WORDS; frequent words replace those that are not in the vocabulary."""
    word_to_id = {word: i for i, word in enumerate(vocab)}
    words = [word for word in EXAMPLE_WORDS if word in word_to_id]
    frequent = [word for word in vocab[2:] if word not in EXAMPLE_WORDS]
    frequent.sort(key=has_glyphs, reverse=True)  # first those that the font can show
    words += frequent[: len(EXAMPLE_WORDS) - len(words)]
    ids, lengths = collate([np.array([word_to_id[word] for word in words], np.int32)])
    probabilities = logits_to_probs(network(ids, lengths))[0]
    shown = [
        shorten(word, 10) if has_glyphs(word) else f"word {word_to_id[word]}" for word in words
    ]
    return Example(shown, ids, trace(network, ids, lengths), probabilities)


class Canvas:
    """A drawing surface that is UNITS wide; y grows upwards."""

    UNITS = 10.0
    CELL = 0.32  # width and height of a cell of a matrix

    def __init__(self, height: float) -> None:
        self.figure = Figure((WIDTH, height * WIDTH / self.UNITS), DPI)
        self.figure.set_layout_engine("none")
        self.axes: Axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, self.UNITS), ylim=(0, height))
        self.axes.axis("off")

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """Write a text. Only `parse_math` makes "$" special: class names may contain it."""
        defaults = {"ha": "center", "va": "center", "fontsize": 10, "parse_math": False}
        self.axes.text(x, y, text, **{**defaults, **style})

    def matrix(self, x: float, y: float, colors: Any, name: str, shape: str) -> None:
        """Draw colored cells [rows × columns] centered on (x, y), name above and shape below."""
        rows, columns = len(colors), len(colors[0])
        width, height = columns * self.CELL, rows * self.CELL
        for i in range(rows):
            for j in range(columns):
                corner = (x - width / 2 + j * self.CELL, y + height / 2 - (i + 1) * self.CELL)
                cell = Rectangle(corner, self.CELL, self.CELL, facecolor=colors[i][j])
                cell.set(edgecolor="white", linewidth=0.8)
                self.axes.add_patch(cell)
        self.text(x, y + height / 2 + 0.25, name, fontweight="bold")
        self.text(x, y - height / 2 - 0.12, shape, va="top", fontsize=9.5, linespacing=1.3)

    def box(self, x: float, y: float, width: float, height: float, color: str, text: str) -> None:
        """Draw a layer: a rounded box centered on (x, y); its text may contain formulas."""
        corner = (x - width / 2, y - height / 2)
        style = "round,pad=0,rounding_size=0.12"
        face = (*to_rgb(color), 0.18)
        box = FancyBboxPatch(corner, width, height, style, facecolor=face, edgecolor=color)
        box.set(linewidth=1.4)
        self.axes.add_patch(box)
        self.text(x, y, text, linespacing=1.35, parse_math=True)

    def arrow(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Draw an arrow."""
        line = {"arrowstyle": "-|>", "color": GREY, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0}
        self.axes.annotate("", end, start, arrowprops=line)

    def data_note(self, data_name: str) -> None:
        """Name the training data in the lower right corner."""
        note = f"trained on: {replace_missing_glyphs(shorten(data_name, 80))}"
        self.text(self.UNITS - 0.1, 0.15, note, ha="right", fontsize=8.5, color=GREY)


def to_colors(values: Tensor) -> Any:
    """Map numbers [rows × columns] to colors: orange below 0, blue above, white for 0."""
    scale = values.abs().max().clamp(min=1e-9)
    color_map = LinearSegmentedColormap.from_list("", [ORANGE, "#F4F4F4", BLUE])
    return color_map((values / scale + 1).numpy() / 2)


def format_shape(*shape: int) -> str:
    """Format a shape, such as 5 × 30,000."""
    return " × ".join(f"{size:,}" for size in shape)


@torch.inference_mode()
def draw_mean(network: MeanEmbeddingClassifier, vocab: list[str], config: ModelConfig) -> Figure:
    """Draw one-hot text × embedding matrix = embeddings → average → fully connected → class."""
    example = trace_example(network, vocab)
    noun = text_noun(config.data_name)
    weight = network.embedding.weight
    num_embeddings, dim = weight.shape
    length = len(example.words)
    embeddings = weight[example.ids[0].long(), :DIMENSIONS]
    average = embeddings.mean(dim=0, keepdim=True)
    if network.bigrams is not None:
        bigrams = network.bigrams(example.ids)[0, :, :DIMENSIONS]
        average = (embeddings + bigrams).sum(dim=0, keepdim=True) / (2 * length - 1)
    output = example.layers["output"]

    canvas = Canvas(6.6)
    y = 4.95
    one_hot = [["#E6E9EC"] * 7 for _ in example.words]
    for i, row in enumerate(one_hot):
        row[(3 * i + 1) % 7] = BLUE
        canvas.text(0.95, y + (length / 2 - i - 0.5) * Canvas.CELL, example.words[i], ha="right")
    shape = f"batch × {noun}_len\n× dictionary\n{format_shape(1, length, num_embeddings)}"
    canvas.matrix(2.2, y, one_hot, f"one-hot {noun}", shape)
    canvas.text(3.75, y, "×", fontsize=17)
    shape = f"dictionary × embedding_dim\n{format_shape(num_embeddings, dim)}"
    canvas.matrix(5.1, y, to_colors(weight[2:9, :DIMENSIONS]), "embedding matrix", shape)
    num_parameters = f"{weight.numel():,} parameters"
    if network.bigrams is not None:
        num_parameters += f", and {network.bigrams.weight.numel():,} of bigrams"
    canvas.text(5.1, 2.88, num_parameters, fontsize=9.5, color=GREY)
    canvas.text(6.5, y, "=", fontsize=17)
    shape = f"batch × {noun}_len\n× embedding_dim\n{format_shape(1, length, dim)}"
    canvas.matrix(8.2, y, to_colors(embeddings), "embeddings", shape)

    y = 1.25
    canvas.arrow((8.2, 2.75), (8.2, y + 0.65))
    shape = f"batch × embedding_dim\n{format_shape(*output.input_shape)}"
    canvas.matrix(8.2, y, to_colors(average), "average", shape)
    canvas.arrow((7.1, y), (6.3, y))
    canvas.box(5.1, y, 2.3, 0.9, GREEN, f"fully connected\n{dim} → {output.output_shape[-1]}")
    canvas.text(5.1, y - 0.75, f"{output.num_parameters:,} parameters", fontsize=9.5, color=GREY)
    half = 0.4 if example.output_activation == "σ" else 0.55
    canvas.arrow((3.9, y), (2.85 + half, y))
    canvas.box(2.75, y, 2 * half, 0.8, PURPLE, example.output_activation)
    canvas.arrow((2.7 - half, y), (1.9, y))
    canvas.text(1.0, y + 0.2, "prediction", fontweight="bold")
    canvas.text(1.0, y - 0.2, example.prediction(printable_classes(config.classes), 7))
    canvas.data_note(config.data_name)
    return canvas.figure


def draw_lstm(
    model: LSTMClassifier | BidirectionalClassifier, vocab: list[str], config: ModelConfig
) -> Figure:
    """Draw embeddings → LSTM, unrolled → last, mean and maximum → fully connected → class.

    Of a bidirectional model, this is the network that reads forwards.
    """
    network = model
    if isinstance(model, BidirectionalClassifier):
        assert isinstance(model.forwards, LSTMClassifier)  # noqa: S101
        network = model.forwards
    example = trace_example(network, vocab)
    noun = text_noun(config.data_name)
    embedding, lstm, output = (example.layers[name] for name in ("embedding", "lstm", "output"))
    pooled_size = network.output.in_features
    num_logits = output.output_shape[-1]

    canvas = Canvas(7.9)
    positions = [0.65 + 1.05 * i for i in range(len(example.words))]
    for i, (x, word) in enumerate(zip(positions, example.words, strict=True), start=1):
        canvas.text(x, 0.35, word)
        canvas.arrow((x, 0.6), (x, 1.0))
        canvas.box(x, 1.35, 0.8, 0.6, BLUE, f"$e_{i}$")
        canvas.arrow((x, 1.7), (x, 2.3))
        canvas.box(x, 2.75, 0.8, 0.8, ORANGE, "LSTM")
        if i > 1:
            canvas.arrow((x - 0.65, 2.75), (x - 0.4, 2.75))
        canvas.arrow((x, 3.2), (x, 3.75))
        canvas.box(x, 4.1, 0.8, 0.6, GREEN, f"$h_{i}$")
        canvas.arrow((x, 4.45), (x, 5.0))
    middle = (positions[0] + positions[-1]) / 2
    pooling_width = positions[-1] - positions[0] + 0.8
    canvas.box(middle, 5.4, pooling_width, 0.7, SKY, "last, mean and maximum")
    canvas.arrow((middle, 5.8), (middle, 6.3))
    canvas.box(middle, 6.7, 3.2, 0.7, GREEN, f"fully connected, {pooled_size} → {num_logits}")
    canvas.arrow((middle, 7.1), (middle, 7.5))
    prediction = example.prediction(printable_classes(config.classes), 30)
    canvas.text(middle, 7.65, f"{example.output_activation}:  {prediction}")

    inputs = "embeddings" if network.bigrams is None else "embeddings, word + bigram"
    embedding_shape = format_shape(*embedding.output_shape)
    rows = [
        (1.35, inputs, f"batch × {noun}_len × embedding_dim\n{embedding_shape}"),
        (2.75, "LSTM", f"{lstm.num_parameters:,} parameters"),
        (4.1, "states", f"batch × {noun}_len × hidden\n{format_shape(*lstm.output_shape)}"),
        (5.4, "many to one", f"batch × 3 hidden\n{format_shape(*output.input_shape)}"),
        (6.7, "logit", f"batch × {num_logits}\n{output.num_parameters:,} parameters"),
    ]
    if isinstance(model, BidirectionalClassifier):
        note = "the network that reads forwards;\nanother one reads backwards"
        canvas.text(5.65, 7.5, note, ha="left", fontsize=9.5, linespacing=1.3)
    for y, name, shape in rows:
        canvas.text(5.65, y + 0.2, name, ha="left", fontweight="bold")
        canvas.text(5.65, y, shape, ha="left", va="top", fontsize=9.5, linespacing=1.3)
    canvas.data_note(config.data_name)
    return canvas.figure
