"""Rate any text with the trained networks.

    python -m stages.imdb.predict "What a great film!"
    python -m stages.imdb.predict --explain --file reviews.txt
    cat reviews.txt | python -m stages.imdb.predict --json

A file or standard input holds a review a line.
"""

import argparse
import html
import json
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from stages.common.errors import run
from stages.imdb.explain import contributions
from stages.imdb.models import UNKNOWN
from stages.imdb.rating import rate
from stages.imdb.reviews import Ids
from stages.imdb.saved import Network, describe, load
from stages.imdb.tokenizer import tokenize

MODELS = [Path("data/imdb/mean"), Path("data/imdb/lstm")]
TOGETHER = 1_000  # texts rated at a time: enough to be fast, and answers still flow
LONGEST = 10_000  # words; the longest review of the data set has a quarter of that


class Rater:
    """A trained network and its vocabulary, for texts."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.resolve().name
        self.classes = describe(folder).classes
        self.network: Network
        self.network, words = load(folder)
        self.numbers = {word: number for number, word in enumerate(words)}

    def ids(self, tokens: list[str]) -> Ids:
        """The words' ids, int32 [review_len]; UNKNOWN for words the vocabulary lacks."""
        return np.array([self.numbers.get(token, UNKNOWN) for token in tokens], dtype=np.int32)


def read_texts(args: argparse.Namespace) -> Iterator[str]:
    """The texts of the command line, or the lines of the file or of standard input.

    Bytes that are not UTF-8 become a replacement character, which is no part of any word.
    """
    if args.text:
        yield from args.text
    elif args.file:
        with args.file.open(encoding="utf-8", errors="replace") as file:
            yield from file
    else:
        yield from (line.decode("utf-8", errors="replace") for line in sys.stdin.buffer)


def cleaned(text: str) -> str:
    """The text without HTML: tags become spaces, entities characters; and plain apostrophes."""
    text = re.sub(r"&#[0-9]{8,};?", " ", text)  # no character has such a number
    return html.unescape(re.sub(r"</?[A-Za-z][^<>]*>", " ", text)).replace("\u2019", "'")


def rated(texts: Iterable[str], raters: list[Rater], explain: bool) -> Iterator[dict[str, object]]:
    """For each text a record: words, known (share of them), and by network's name its answer.

    That is the verdict, the name of a class, and the probabilities of all. With `explain`, also the
    words and what each adds to the logit: of two classes to that of the second (good), of more to
    that of the verdict. A text without any word has no rating: verdict and probabilities are None.
    """
    texts = iter(texts)
    while batch := [tokenize(cleaned(text))[:LONGEST] for text in islice(texts, TOGETHER)]:
        numbers = {rater.name: [rater.ids(tokens) for tokens in batch] for rater in raters}
        ratings = {rater.name: rate(rater.network, numbers[rater.name]) for rater in raters}
        for i, tokens in enumerate(batch):
            record: dict[str, object] = {"words": len(tokens)}
            for rater in raters:
                ids = numbers[rater.name][i]
                rating = ratings[rater.name][i]
                best = int(rating.argmax())
                record["known"] = round(float((ids != UNKNOWN).mean()), 4) if tokens else 0.0
                answer: dict[str, object] = {
                    "verdict": rater.classes[best] if tokens else None,
                    "probabilities": {
                        name: round(float(probability), 4)
                        for name, probability in zip(rater.classes, rating, strict=True)
                    }
                    if tokens
                    else None,
                }
                if explain and tokens:
                    shares, rest = contributions(
                        rater.network, ids, best if len(rater.classes) > 2 else 0
                    )
                    answer["explain"] = [
                        [token, round(float(share), 4)]
                        for token, share in zip(tokens, shares, strict=True)
                    ]
                    answer["rest"] = round(rest, 4)
                record[rater.name] = answer
            yield record


def show(record: dict[str, object], raters: list[Rater], colour: bool) -> str:
    """A record in words. It holds no escapes: only the tokenizer's words and names of classes."""
    if not record["words"]:
        return "no words in it: no rating"
    lines = []
    for rater in raters:
        answer = record[rater.name]
        assert isinstance(answer, dict)  # noqa: S101  `rated` makes it so
        verdict = answer["verdict"]
        lines.append(f"{rater.name:5} {verdict:5} {answer['probabilities'][verdict]:.1%}")
        if "explain" in answer:
            lines.append(
                "      " + " ".join(_shown(word, n, colour) for word, n in answer["explain"])
            )
    if float(str(record["known"])) < 0.5:
        lines.append("      (more than half of the words are unknown to the networks)")
    return "\n".join(lines)


def _shown(word: str, share: float, colour: bool) -> str:
    """A word on the colour of its share: blue for good, orange for bad, darker for more."""
    if not colour:
        return f"{word}({share:+.2f})" if abs(share) >= 0.1 else word
    if abs(share) < 0.05:
        return word
    strength = 0 if abs(share) < 0.2 else 1 if abs(share) < 0.6 else 2
    blues, oranges = (153, 75, 33), (223, 215, 208)
    return f"\x1b[30;48;5;{(blues if share > 0 else oranges)[strength]}m{word}\x1b[0m"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", nargs="*", help="reviews; without any, a review a line is read")
    parser.add_argument("--file", type=Path, help="a review a line")
    parser.add_argument("--json", action="store_true", help="a JSON object a review")
    parser.add_argument("--explain", action="store_true", help="which words moved the rating")
    parser.add_argument("--models", type=Path, nargs="+", default=MODELS, metavar="FOLDER")
    args = parser.parse_args()
    if args.text and args.file:
        parser.error("give texts or --file, not both")

    names = [folder.resolve().name for folder in args.models]
    if len({*names}) < len(names):
        parser.error(f"--models: folders of the same name: {', '.join(names)}; rename one")

    raters = [Rater(folder) for folder in args.models]
    for record in rated(read_texts(args), raters, args.explain):
        if args.json:
            print(json.dumps(record, ensure_ascii=False), flush=True)
        else:
            print(show(record, raters, sys.stdout.isatty()), flush=True)


if __name__ == "__main__":
    run(main)
