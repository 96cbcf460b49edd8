"""Classify texts with the trained networks.

    python -m stages.imdb.predict "What a great film!"
    python -m stages.imdb.predict --explain --file reviews.txt
    cat reviews.txt | python -m stages.imdb.predict --json

A file or standard input contains one review per line.
"""

import argparse
import html
import json
import re
import sys
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from stages.common.errors import run_main
from stages.imdb.corpus.corpus import UNK, Ids
from stages.imdb.corpus.tokenizer import tokenize
from stages.imdb.explain import attributions
from stages.imdb.models.inference import Probabilities, predict_proba
from stages.imdb.models.serialization import load_config, load_model

MODELS = [Path("data/imdb/mean"), Path("data/imdb/lstm")]
BATCH_SIZE = 1_000  # texts per batch: enough to be fast
MAX_TOKENS = 10_000  # words per text; four times the longest review of the data set

Record = dict[str, Any]


class Predictor:
    """A trained network with its vocabulary."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.resolve().name
        self.classes = load_config(folder).classes
        self.network, vocab = load_model(folder)
        self.word_to_id = {word: i for i, word in enumerate(vocab)}

    def numericalize(self, tokens: list[str]) -> Ids:
        """Return the words' ids, int32 [review_len]; UNK for words not in the vocabulary."""
        return np.array([self.word_to_id.get(token, UNK) for token in tokens], dtype=np.int32)


def read_texts(args: argparse.Namespace) -> Iterator[str]:
    """Yield the texts of the command line, or the lines of the file or of standard input.

    Bytes that are not UTF-8 become a replacement character, which is not part of any word.
    """
    if args.text:
        yield from args.text
    elif args.file:
        with args.file.open(encoding="utf-8", errors="replace") as file:
            yield from file
    else:
        yield from (line.decode("utf-8", errors="replace") for line in sys.stdin.buffer)


def strip_html(text: str) -> str:
    """Replace tags by spaces, entities by their characters, and curly apostrophes by plain ones."""
    text = re.sub(r"&#[0-9]{8,};?", " ", text)  # no character has such a number
    return html.unescape(re.sub(r"</?[A-Za-z][^<>]*>", " ", text)).replace("\u2019", "'")


def predict(texts: Iterable[str], predictors: list[Predictor], explain: bool) -> Iterator[Record]:
    """Classify texts.

    Args:
        texts: Texts, possibly with HTML.
        predictors: The networks to use.
        explain: Whether to attribute the predictions to the words.

    Yields:
        For each text a record with `words`, the number of words; `vocab_coverage`, the fraction of
        them that are in the vocabulary; and under the name of each network
            label: The name of the most probable class.
            probabilities: The probability of each class.
            attributions: If `explain` is set, pairs of a word and what it adds to the logit: of the
                second class if there are two classes, of `label` if there are more.
            bias: If `explain` is set, the part of the logit that does not depend on the words.
        For a text without words, label and probabilities are None.
    """
    texts = iter(texts)
    while batch := [tokenize(strip_html(text))[:MAX_TOKENS] for text in islice(texts, BATCH_SIZE)]:
        ids = [[each.numericalize(tokens) for tokens in batch] for each in predictors]
        probs = [
            predict_proba(each.network, reviews)
            for each, reviews in zip(predictors, ids, strict=True)
        ]
        for i, tokens in enumerate(batch):
            record: Record = {"words": len(tokens)}
            for j, predictor in enumerate(predictors):
                known = float((ids[j][i] != UNK).mean()) if tokens else 0.0
                record["vocab_coverage"] = round(known, 4)
                record[predictor.name] = _prediction(
                    predictor, tokens, ids[j][i], probs[j][i], explain
                )
            yield record


def _prediction(
    predictor: Predictor, tokens: list[str], ids: Ids, probs: Probabilities, explain: bool
) -> Record:
    """Return what a record of `predict` holds for one network."""
    if not tokens:
        return {"label": None, "probabilities": None}
    best = int(probs.argmax())
    prediction: Record = {
        "label": predictor.classes[best],
        "probabilities": {
            name: round(float(prob), 4) for name, prob in zip(predictor.classes, probs, strict=True)
        },
    }
    if explain:
        logit = best if len(predictor.classes) > 2 else 0
        values, bias = attributions(predictor.network, ids, logit)
        prediction["attributions"] = [
            [token, round(float(value), 4)] for token, value in zip(tokens, values, strict=True)
        ]
        prediction["bias"] = round(bias, 4)
    return prediction


def format_prediction(record: Record, predictors: list[Predictor], color: bool) -> str:
    """Format a record for a terminal.

    The text holds only the tokenizer's words and names of classes, so it cannot contain escape
    sequences other than those for the colors.
    """
    if not record["words"]:
        return "no words in the text: not classified"
    lines = []
    for predictor in predictors:
        prediction = record[predictor.name]
        label = prediction["label"]
        lines.append(f"{predictor.name:5} {label:5} {prediction['probabilities'][label]:.1%}")
        if "attributions" in prediction:
            words = (_format_word(word, x, color) for word, x in prediction["attributions"])
            lines.append("      " + " ".join(words))
    if record["vocab_coverage"] < 0.5:
        lines.append("      (more than half of the words are not in the vocabulary)")
    return "\n".join(lines)


def _format_word(word: str, value: float, color: bool) -> str:
    """Format a word with its attribution: a blue background above 0, orange below."""
    if not color:
        return f"{word}({value:+.2f})" if abs(value) >= 0.1 else word
    if abs(value) < 0.05:
        return word
    strength = 0 if abs(value) < 0.2 else 1 if abs(value) < 0.6 else 2
    blues, oranges = (153, 75, 33), (223, 215, 208)  # of the 256 terminal colors, light to dark
    return f"\x1b[30;48;5;{(blues if value > 0 else oranges)[strength]}m{word}\x1b[0m"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", nargs="*", help="reviews; without any, they are read line by line")
    parser.add_argument("--file", type=Path, help="file with one review per line")
    parser.add_argument("--json", action="store_true", help="print one JSON object per review")
    parser.add_argument("--explain", action="store_true", help="attribute predictions to the words")
    parser.add_argument("--models", type=Path, nargs="+", default=MODELS, metavar="FOLDER")
    args = parser.parse_args()
    if args.text and args.file:
        parser.error("both texts and --file are given; give one of them")
    names = [folder.resolve().name for folder in args.models]
    if len({*names}) < len(names):
        parser.error(f"--models: folders of the same name: {', '.join(names)}; rename one")

    if isinstance(sys.stdout, TextIOWrapper):  # the output encoding may lack characters of the text
        sys.stdout.reconfigure(errors="backslashreplace")
    predictors = [Predictor(folder) for folder in args.models]
    for record in predict(read_texts(args), predictors, args.explain):
        if args.json:
            print(json.dumps(record), flush=True)
        else:
            print(format_prediction(record, predictors, sys.stdout.isatty()), flush=True)


if __name__ == "__main__":
    run_main(main)
