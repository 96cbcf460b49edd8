"""Stage `imdb_figures`: draw the figures of project 3."""

import argparse
from pathlib import Path

from stages.common.errors import run_main
from stages.imdb.figures.architecture import draw_lstm, draw_mean
from stages.imdb.figures.curves import draw_evaluation, draw_gain, draw_training
from stages.imdb.figures.shared import read_csv
from stages.imdb.figures.words import draw_neighbours, draw_word_map
from stages.imdb.models.classifiers import (
    BidirectionalClassifier,
    LSTMClassifier,
    MeanEmbeddingClassifier,
)
from stages.imdb.models.registry import NETWORKS
from stages.imdb.models.serialization import load_config, load_model, model_folders
from stages.plotting.style import save_png


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, required=True, help="a subfolder per model")
    parser.add_argument("--live", type=Path, required=True,
                        help="training curves: a subfolder per network")  # fmt: skip
    parser.add_argument("--evaluations", type=Path, required=True, help="a subfolder per model")
    parser.add_argument("--gains", type=Path, required=True)
    parser.add_argument("--neighbours", type=Path, required=True)
    parser.add_argument("--map", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder for the PNG files")
    args = parser.parse_args()

    mean, vocab = load_model(args.models / "mean")
    lstm, _ = load_model(args.models / "lstm")
    assert isinstance(mean, MeanEmbeddingClassifier)  # noqa: S101  config.json says so
    assert isinstance(lstm, LSTMClassifier | BidirectionalClassifier)  # noqa: S101
    config = load_config(args.models / "mean")
    data, classes = config.data_name, config.classes
    live, evaluations = model_folders(args.live, NETWORKS), model_folders(args.evaluations)
    figures = {
        "3-model-mean": draw_mean(mean, vocab, config),
        "3-model-LSTM": draw_lstm(lstm, vocab, config),
        "3-training": draw_training(live, data),
        "3-gain": draw_gain(read_csv(args.gains), data),
        "3-evaluation": draw_evaluation(evaluations, classes, data),
        "3-words": draw_word_map(read_csv(args.map), classes, data),
        "3-neighbours": draw_neighbours(read_csv(args.neighbours), data),
    }
    for name, figure in figures.items():
        save_png(figure, args.out / f"{name}.png")


if __name__ == "__main__":
    run_main(main)
