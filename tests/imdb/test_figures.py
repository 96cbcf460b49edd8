"""Nearest neighbours, the map of words, and the figures of project 3."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from matplotlib import pyplot as plt
from scipy.spatial.distance import cosine

from stages.common.errors import UserError
from stages.imdb.figures import embedding_neighbours, main
from stages.imdb.figures.curves import draw_gain
from stages.imdb.figures.embedding_neighbours import (
    MAP_WORDS,
    most_polar_words,
    nearest_neighbours,
    predict_words,
    project_pca,
)
from stages.imdb.figures.shared import read_csv
from stages.imdb.figures.words import draw_word_map
from stages.imdb.models.serialization import load_model
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
    shown = most_polar_words(probabilities)
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
    args = ["--params", tmp_path / "params.yaml", "--models", *models]
    args += ["--neighbours", tmp_path / "neighbours.csv", "--map", tmp_path / "map.csv"]

    params["imdb"]["neighbour_words"] = ["great", "zebra"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    call(embedding_neighbours.main, *args)
    message = "imdb.neighbour_words: 'zebra': not among the 5 most frequent words"
    assert capsys.readouterr().err.count(message) == 1
    assert {*read_csv(tmp_path / "neighbours.csv")["word"]} == {"great"}

    params["imdb"]["neighbour_words"] = ["zebra"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    with pytest.raises(UserError, match=f"{message}.*choose other words, such as 'a'"):
        call(embedding_neighbours.main, *args)


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    model, out = tmp_path / "missing", tmp_path / "plots"
    files = ["--live", *"ab", "--evaluations", *"abc", "--gains", "a", "--neighbours", "a"]
    with pytest.raises(UserError, match=f"{model}/config.json: no such file"):
        call(main.main, "--mean", model, "--lstm", model, *files, "--map", "a", "--out", out)
    assert not out.exists()


def test_words_that_look_like_numbers_are_read_as_words(tmp_path: Path) -> None:
    table = pd.DataFrame({"word": ["nan", "10"], "neighbour": ["null", "1e5"], "cosine": [0.5, 1]})
    table.to_csv(tmp_path / "table.csv", index=False)
    pd.testing.assert_frame_equal(read_csv(tmp_path / "table.csv"), table)


@pytest.mark.parametrize("gain", [-4.0, 0.2, 2.2, 9.0])
def test_the_claim_in_the_figure_of_the_gain_is_inside_the_axes(gain: float) -> None:
    rows = [(seed, gain, gain - 0.4, gain + 0.3) for seed in ("1", "2", "all")]
    figure = draw_gain(pd.DataFrame(rows, columns=["seed", "gain", "low", "high"]), "made up")
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
