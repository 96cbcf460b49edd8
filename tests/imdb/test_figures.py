"""Nearest neighbours, the map of words, and the figures of project 3."""

import warnings
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from matplotlib import pyplot as plt
from matplotlib.axis import Axis
from matplotlib.colors import to_hex
from matplotlib.text import Text
from scipy.spatial.distance import cosine
from scipy.special import softmax

from stages.common.errors import UserError
from stages.common.files import write_csv
from stages.imdb.corpus.corpus import IMDB_DATA_NAMES
from stages.imdb.download.main import PYPI, STANFORD
from stages.imdb.evaluation import metrics
from stages.imdb.figures import embedding_neighbours, main
from stages.imdb.figures.curves import draw_evaluation, draw_gain
from stages.imdb.figures.embedding_neighbours import (
    MAP_WORDS,
    most_polar_words,
    nearest_neighbours,
    predict_words,
    project_pca,
)
from stages.imdb.figures.shared import read_csv
from stages.imdb.figures.words import class_colors, draw_neighbours, draw_word_map
from stages.imdb.models.serialization import load_model
from stages.plotting.style import BLUE, GREEN, ORANGE
from tests.clone import ROOT
from tests.imdb.call import call
from tests.imdb.untrained import save_untrained


def test_nearest_neighbours_have_the_largest_cosine_similarity() -> None:
    words = [f"w{i}" for i in range(40)]
    embeddings = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    table = nearest_neighbours("w3", words, embeddings)
    similarity = {
        word: 1 - cosine(embeddings[3], embeddings[i]) for i, word in enumerate(words) if i != 3
    }
    expected = sorted(similarity, key=similarity.__getitem__, reverse=True)[:6]
    assert table["neighbour"].tolist() == expected
    assert table["cosine"].tolist() == pytest.approx([similarity[word] for word in expected])
    assert table["rank"].tolist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("num_classes", [2, 3])
def test_the_map_shows_the_same_number_of_words_per_class(num_classes: int) -> None:
    logits = np.random.default_rng(0).normal(size=(1_000, num_classes))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    shown = most_polar_words(probabilities, MAP_WORDS)
    counts = np.bincount(probabilities[shown].argmax(axis=1))
    assert counts.tolist() == [MAP_WORDS // num_classes] * num_classes


def test_words_of_the_last_class_are_on_the_right_of_the_map() -> None:
    rng = np.random.default_rng(0)
    positive = np.repeat([0.1, 0.9], 20)
    embeddings = rng.normal(size=(40, 5), scale=0.1).astype(np.float32)
    embeddings[:, 2] += 10 * positive
    probabilities = np.stack([1 - positive, positive], axis=1)
    for sign in (1, -1):
        points = project_pca(sign * embeddings, probabilities)
        assert (points[:20, 0] < 0).all()
        assert (points[20:, 0] > 0).all()


def test_predict_words_classifies_each_word_alone(tmp_path: Path) -> None:
    mean, _ = load_model(save_untrained(tmp_path)[0])
    probabilities = predict_words(mean, np.array([3, 5], np.int32))
    logits = mean.embedding.weight[[3, 5]] @ mean.output.weight[0] + mean.output.bias
    assert probabilities[:, 1] == pytest.approx(torch.sigmoid(logits).tolist())


def test_words_that_are_not_in_the_vocabulary_are_ignored_and_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = save_untrained(tmp_path / "models")
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    args = ["--params", tmp_path / "params.yaml", "--models", models[0].parent]
    args += ["--neighbours", tmp_path / "neighbours.csv", "--map", tmp_path / "map.csv"]

    params["imdb"]["neighbour_words"] = ["great", "zebra"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    call(embedding_neighbours.main, *args)
    message = "imdb.neighbour_words: 'zebra': not among the 5 most frequent words"
    assert capsys.readouterr().err.count(message) == 1
    assert {*read_csv(tmp_path / "neighbours.csv")["word"]} == {"great"}

    params["imdb"]["neighbour_words"] = ["zebra"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    call(embedding_neighbours.main, *args)
    shown = [*dict.fromkeys(read_csv(tmp_path / "neighbours.csv")["word"])]
    assert {*shown} == {"a", "great", "film", "bad", "!"}  # the whole vocabulary
    message += " of the data; ignored\nimdb.neighbour_words: shown instead: "
    assert message + ", ".join(shown) in capsys.readouterr().err


@pytest.mark.parametrize("words", [["a"], ["a", "b"]])
@pytest.mark.parametrize("num_classes", [2, 3])
def test_neighbours_and_map_of_a_tiny_vocabulary(
    tmp_path: Path, words: list[str], num_classes: int
) -> None:
    models = save_untrained(tmp_path / "models", ["<pad>", "<unk>", *words], num_classes)
    args = ["--params", ROOT / "params.yaml", "--models", models[0].parent]
    args += ["--neighbours", tmp_path / "neighbours.csv", "--map", tmp_path / "map.csv"]
    call(embedding_neighbours.main, *args)
    neighbours = read_csv(tmp_path / "neighbours.csv")
    assert not (neighbours["word"] == neighbours["neighbour"]).any()
    assert len(neighbours) == len(models) * len(words) * (len(words) - 1)
    assert len(read_csv(tmp_path / "map.csv")) == len(models) * len(words)
    classes = ["bad", "good", "odd"][:num_classes]
    plt.close(draw_word_map(read_csv(tmp_path / "map.csv"), classes, "made up"))
    plt.close(draw_neighbours(neighbours, "made up"))


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    models, out = tmp_path / "missing", tmp_path / "plots"
    files = ["--live", "a", "--evaluations", "a", "--gains", "a", "--neighbours", "a"]
    with pytest.raises(UserError, match=f"{models}/mean/config.json: no such file"):
        call(main.main, "--models", models, *files, "--map", "a", "--out", out)
    assert not out.exists()


def test_words_that_look_like_numbers_are_read_as_words(tmp_path: Path) -> None:
    table = pd.DataFrame({"word": ["nan", "10"], "neighbour": ["null", "1e5"], "cosine": [0.5, 1]})
    table.to_csv(tmp_path / "table.csv", index=False)
    pd.testing.assert_frame_equal(read_csv(tmp_path / "table.csv"), table)


@pytest.mark.parametrize("gain", [-4.0, 0.2, 2.2, 9.0])
def test_the_claim_in_the_figure_of_the_gain_is_inside_the_axes(gain: float) -> None:
    rows = [(seed, gain, gain - 0.4, gain + 0.3) for seed in ("1", "2", "all")]
    gains = pd.DataFrame(rows, columns=["seed", "gain", "low", "high"])
    figure = draw_gain(gains, "IMDB, official split")
    figure.draw_without_rendering()
    axes = figure.axes[0]
    [claim] = [text for text in axes.texts if text.get_text() == "this project's claim: +1 point"]
    box, frame = claim.get_window_extent(), axes.get_window_extent()
    assert frame.x0 < box.x0 < box.x1 < frame.x1
    plt.close(figure)


def test_labels_on_the_map_of_words_do_not_overlap() -> None:
    rng = np.random.default_rng(0)
    words = pd.DataFrame(rng.normal(size=(80, 2)), columns=["x", "y"])
    words = words.assign(model="mean", predicted="good", probability=0.9)
    words["word"] = [f"word{i}" for i in range(len(words))]
    figure = draw_word_map(words, ["bad", "good"], "made up")
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert 20 < len(boxes) < 80
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    plt.close(figure)


def test_the_claim_is_only_about_imdb() -> None:
    assert (STANFORD, PYPI) == IMDB_DATA_NAMES
    rows = [(seed, 40.0, 10.0, 70.0) for seed in ("1", "all")]
    gains = pd.DataFrame(rows, columns=["seed", "gain", "low", "high"])
    figure = draw_gain(gains, "tickets.csv")
    figure.draw_without_rendering()
    numbers = [text for text in figure.axes[0].texts if text.get_text()]
    assert [text.get_text() for text in numbers] == ["+40.00", "+40.00"]
    frame = figure.axes[0].get_window_extent()
    assert all(text.get_window_extent().x1 < frame.x1 for text in numbers)
    plt.close(figure)


CLASSES = {
    "two": ["bad", "good"],
    "dollar": ["$", "$$", "$b_$"],
    "long": ["delighted returning customers of many years", "extremely disappointed customers"],
    "seven": [f"category {i}" for i in range(7)],
    "hundred": [f"class name {i}" for i in range(100)],
    "japanese": ["最悪", "素晴らしい"],
}
SHOWN = {
    "dollar": ["$", "$$", "$b_$"],
    "japanese": ["class 0", "class 1"],
    "long": ["delighted ret…", "extremely dis…"],
}


def save_curves(folder: Path, classes: list[str], good: float) -> Path:
    """Write the curves of a model that knows the class of a fraction `good` of the texts."""
    rng = np.random.default_rng(0)
    labels = rng.integers(len(classes), size=2_000)
    logits = rng.normal(size=(2_000, len(classes)))
    logits[np.arange(2_000), labels] += 6 * (rng.random(2_000) < good)
    probabilities = softmax(logits, axis=1)
    y_true, y_prob = metrics.one_vs_rest(labels, probabilities)
    for name, table in {
        "roc": metrics.roc(y_true, y_prob),
        "precision_recall": metrics.precision_recall(y_true, y_prob),
        "calibration": metrics.calibration_curve(y_true, y_prob),
        "confusion": metrics.confusion_table(labels, probabilities, classes),
        "by_length": metrics.accuracy_by(pd.Series(labels % 2), labels > 0),
    }.items():
        write_csv(folder / f"{name}.csv", table)
    return folder


def tick_labels(axis: Axis) -> list[Text]:
    return [label for label in axis.get_ticklabels() if label.get_text()]


def assert_apart(texts: list[Text]) -> None:
    """Fail if two texts overlap."""
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    assert not [(a[0], b[0]) for a, b in combinations(boxes, 2) if a[1].overlaps(b[1])]


@pytest.mark.parametrize("name", CLASSES)
def test_class_names_are_legible_in_every_figure(tmp_path: Path, name: str) -> None:
    classes = CLASSES[name]
    folder = save_curves(tmp_path, classes, 0.8)
    folders = {"linear": folder, "mean": folder, "lstm": folder}
    evaluation = draw_evaluation(folders, classes, "a $b$ file.csv")
    rng = np.random.default_rng(0)
    words = pd.DataFrame(rng.normal(size=(100, 2)), columns=["x", "y"])
    words = words.assign(model="mean", predicted=(classes * 100)[:100], probability=0.9)
    words["word"] = ["最悪", "very" * 20, *(f"word{i}" for i in range(98))]
    word_map = draw_word_map(words, classes, "made up")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of each character without a glyph
        for figure in (evaluation, word_map):
            figure.draw_without_rendering()
    confusion, bar = evaluation.axes[3], word_map.axes[1]
    for axis in (confusion.xaxis, confusion.yaxis, bar.xaxis):
        labels = tick_labels(axis)
        assert_apart(labels)
        assert not any(label.get_parse_math() for label in labels)
        assert len(labels) >= min(len(classes), 16)
    assert_apart(list(confusion.texts))
    if name in SHOWN:
        assert [label.get_text() for label in tick_labels(confusion.xaxis)] == SHOWN[name]
    frame = evaluation.bbox
    for axes in evaluation.axes:
        assert axes.get_window_extent().width > 0.25 * frame.width
        assert all(text.get_window_extent().x1 < frame.x1 for text in axes.texts)
        assert frame.x0 <= axes.xaxis.label.get_window_extent().x0
        assert axes.yaxis.label.get_window_extent().y1 <= frame.y1
    plt.close("all")


@pytest.mark.parametrize(("good", "corner"), [(1.0, 0.4), (0.1, 1.0)])
def test_every_curve_is_inside_the_axes(tmp_path: Path, good: float, corner: float) -> None:
    best = save_curves(tmp_path / "best", ["bad", "good"], 1.0)
    worst = save_curves(tmp_path / "worst", ["bad", "good"], good)
    folders = {"linear": best, "mean": worst, "lstm": best}
    roc, precision_recall, *_ = draw_evaluation(folders, ["bad", "good"], "made up").axes
    assert roc.get_xlim() == (0, corner)
    assert roc.get_ylim() == precision_recall.get_xlim() == precision_recall.get_ylim()
    assert roc.get_ylim() == (1 - corner, 1)
    plt.close("all")


def test_more_than_six_classes_have_distinct_colors() -> None:
    assert [to_hex(class_colors(3)(i)).upper() for i in range(3)] == [BLUE, ORANGE, GREEN]
    assert len({class_colors(100)(i) for i in range(100)}) == 100


def test_words_that_the_font_cannot_show_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        ("great", "最悪"),
        ("great", "film"),
        ("最悪", "film"),
        ("long " * 9, "good " * 9),
    ]
    table = pd.DataFrame(rows, columns=["word", "neighbour"]).assign(model="mean")
    axes = draw_neighbours(table, "made up").axes[0]
    assert [text.get_text() for text in axes.texts] == [
        "great", "film", "long long l…", "good good good good good good go…",
    ]  # fmt: skip
    assert "cannot show 2 of 4 neighbours: left out" in capsys.readouterr().err
    axes = draw_neighbours(table[:1], "made up").axes[0]
    assert [text.get_text() for text in axes.texts] == ["no neighbours that the font can show"]
    plt.close("all")
