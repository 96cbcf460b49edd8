"""Classify texts with the trained models.

    python -m stages.imdb.predict "What a great film!"
    python -m stages.imdb.predict --explain --file reviews.txt
    python -m stages.imdb.predict --csv reviews.csv --column text --out predicted.csv
    cat reviews.txt | python -m stages.imdb.predict --json

A text file or standard input contains one text per line. In Python:

    from stages.imdb.predict import Predictor
    predictor = Predictor("data/imdb/models/lstm")
    predictor.predict(["What a great film!"])
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from stages.common.errors import UserError, run_main
from stages.common.files import atomic_write
from stages.common.progress import progress
from stages.imdb.corpus.corpus import UNK, Ids
from stages.imdb.corpus.tokenizer import tokenize
from stages.imdb.evaluation.pooling import log_opinion_pool
from stages.imdb.explain import attributions, ngram_attributions
from stages.imdb.linear.serialization import load_linear
from stages.imdb.models.inference import predict_proba
from stages.imdb.models.serialization import load_config, load_model, model_folders
from stages.imdb.text_files import is_table, iter_lines, read_table

MODELS = Path("data/imdb/models")  # folder of the pipeline's trained models
BATCH_SIZE = 1_000  # texts per batch: enough to be fast
MAX_TOKENS = 10_000  # words per text; four times the longest review of the data set

Floats = npt.NDArray[np.floating[Any]]
Tokens = Sequence[str]
Record = dict[str, Any]


@dataclass(frozen=True)
class Explanation:
    """Why a text is classified as it is.

    Attributes:
        label: The predicted class; None for a text without words.
        attributions: Each word of the text with what it adds to the logit: of the second class if
            there are two classes, of `label` if there are more.
        bias: The part of the logit that does not depend on the words.
    """

    label: str | None
    attributions: list[tuple[str, float]]
    bias: float


class NetworkEnsemble:
    """The networks of a folder, combined by the mean of their log-probabilities."""

    def __init__(self, folder: Path, seed: int | None) -> None:
        config = load_config(folder)
        if seed is not None and seed not in config.seeds:
            seeds = ", ".join(map(str, config.seeds))
            raise UserError(f"{folder}: no network of the seed {seed}; its seeds are {seeds}")
        self.classes = config.classes
        loaded = [load_model(folder, s) for s in (config.seeds if seed is None else [seed])]
        self.networks = [network for network, _ in loaded]
        self.word_to_id = {word: i for i, word in enumerate(loaded[0][1])}

    def numericalize(self, tokens: Tokens) -> Ids:
        """Return the words' ids, int32 [review_len]; UNK for words not in the vocabulary."""
        return np.array([self.word_to_id.get(token, UNK) for token in tokens], dtype=np.int32)

    def is_known(self, token: str) -> bool:
        """Return True if a word is in the vocabulary."""
        return token in self.word_to_id

    def predict_proba(self, texts: Sequence[Tokens]) -> Floats:
        """Return the probability of each class, float64 [texts × classes]."""
        reviews = [self.numericalize(tokens) for tokens in texts]
        return log_opinion_pool(
            [predict_proba(each, reviews).astype(np.float64) for each in self.networks]
        )

    def attributions(self, tokens: Tokens, label: int) -> tuple[Floats, float]:
        """Return the means over the networks of the attributions [review_len] and of the bias."""
        ids = self.numericalize(tokens)
        logit = label if len(self.classes) > 2 else 0
        pairs = [attributions(network, ids, logit) for network in self.networks]
        values = np.mean([values for values, _ in pairs], axis=0)
        return values, float(np.mean([bias for _, bias in pairs]))


class LinearPredictor:
    """The linear model of a folder."""

    def __init__(self, folder: Path) -> None:
        self.model = load_linear(folder)
        self.classes = self.model.config.classes

    def is_known(self, token: str) -> bool:
        """Return True if a word is one of the n-grams."""
        return token in self.model.columns

    def predict_proba(self, texts: Sequence[Tokens]) -> Floats:
        """Return the probability of each class, float64 [texts × classes]."""
        return self.model.predict_proba_tokens(texts)

    def attributions(self, tokens: Tokens, label: int) -> tuple[Floats, float]:
        """Return the attributions [review_len] and the bias."""
        return ngram_attributions(self.model, tokens, label)


class Predictor:
    """A trained model that classifies texts.

    >>> predictor = Predictor("data/imdb/models/lstm")  # doctest: +SKIP
    >>> predictor.predict(["What a great film!", "Boring."])  # doctest: +SKIP
    ['good', 'bad']

    Texts are tokenized as for the training, so they may contain HTML. Only the first MAX_TOKENS
    words of a text are used.

    Attributes:
        name: Name of the folder.
        classes: Names of the classes.
    """

    def __init__(self, folder: str | Path, seed: int | None = None) -> None:
        """Load a model.

        Args:
            folder: Folder of a linear model, or of the networks of one or several seeds.
            seed: Use only the network of this seed. None: combine the networks of all seeds.

        Raises:
            UserError: If a file is missing or damaged, or there is no network of this seed.
        """
        folder = Path(folder)
        self.name = folder.resolve().name
        self.model: LinearPredictor | NetworkEnsemble = (
            LinearPredictor(folder) if _is_linear(folder) else NetworkEnsemble(folder, seed)
        )
        self.classes = self.model.classes

    def predict(self, texts: Iterable[str]) -> list[str | None]:
        """Return the name of the most probable class of each text; None for one without words."""
        probabilities = self.predict_proba(texts)
        return [None if np.isnan(row[0]) else self.classes[row.argmax()] for row in probabilities]

    def predict_proba(self, texts: Iterable[str]) -> Floats:
        """Return the probability of each class.

        Args:
            texts: Texts, such as a list of str or a column of a DataFrame.

        Returns:
            float64 [texts × classes], in the order of `classes`. NaN for a text without words.
        """
        parts = [self.predict_proba_tokens(batch) for _, batch in _tokenized_batches(texts)]
        return np.concatenate([np.empty((0, len(self.classes))), *parts])

    def explain(self, text: str) -> Explanation:
        """Return the predicted class of a text, and what each word adds to the logit."""
        [(_, [tokens])] = _tokenized_batches([text])
        if not tokens:
            return Explanation(None, [], 0.0)
        return self.explain_tokens(tokens, int(self.predict_proba_tokens([tokens])[0].argmax()))

    def predict_proba_tokens(self, texts: Sequence[Tokens]) -> Floats:
        """Do `predict_proba` for tokenized texts."""
        probabilities = self.model.predict_proba(texts)
        probabilities[[not tokens for tokens in texts]] = np.nan
        return probabilities

    def explain_tokens(self, tokens: Tokens, label: int) -> Explanation:
        """Do `explain` for a tokenized text that is classified as `label`."""
        values, bias = self.model.attributions(tokens, label)
        pairs = [(word, float(value)) for word, value in zip(tokens, values, strict=True)]
        return Explanation(self.classes[label], pairs, bias)


def _is_linear(folder: Path) -> bool:
    """Return True if a folder holds a linear model; errors are reported when it is loaded."""
    try:
        return bool(json.loads((folder / "config.json").read_text("utf-8"))["model"] == "linear")
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _tokenized_batches(
    texts: Iterable[str], batch_size: int = BATCH_SIZE
) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Yield `batch_size` texts at a time, as they are and tokenized.

    Raises:
        TypeError: If `texts` is one text, or a text is not a str.
    """
    if isinstance(texts, str):
        raise TypeError("expected a list of texts, not one text; write [text]")
    if isinstance(texts, Mapping) or hasattr(texts, "columns"):  # a dict or a DataFrame
        raise TypeError(f"expected a list of texts, found a {type(texts).__name__}; name a column")
    texts = iter(texts)
    while batch := list(islice(texts, batch_size)):
        for text in batch:
            if not isinstance(text, str):
                raise TypeError(f"expected texts of the type str, found {text!r:.80}")
        yield batch, [tokenize(text)[:MAX_TOKENS] for text in batch]


def predict(
    texts: Iterable[str], predictors: list[Predictor], explain: bool, batch_size: int = BATCH_SIZE
) -> Iterator[Record]:
    """Classify texts with several models.

    Args:
        texts: Texts, possibly with HTML.
        predictors: The models to use.
        explain: Whether to attribute the predictions to the words.
        batch_size: Number of texts that are read before the first record is yielded.

    Yields:
        For each text a record with `line`, its number from 1; `text`; `words`, the number of words;
        and `predictions`, which has under the name of each model
            label: The name of the most probable class.
            probabilities: The probability of each class.
            vocab_coverage: The fraction of the words that are in the model's vocabulary.
            attributions: If `explain` is set, pairs of a word and what it adds to the logit: of the
                second class if there are two classes, of `label` if there are more.
            bias: If `explain` is set, the part of the logit that does not depend on the words.
        For a text without words, there are only label and probabilities, and both are None.
    """
    line = 0
    for batch, tokenized in _tokenized_batches(texts, batch_size):
        probs = [predictor.predict_proba_tokens(tokenized) for predictor in predictors]
        for i, (text, tokens) in enumerate(zip(batch, tokenized, strict=True)):
            line += 1
            predictions = {
                predictor.name: _prediction(predictor, tokens, probs[j][i], explain)
                for j, predictor in enumerate(predictors)
            }
            yield {"line": line, "text": text, "words": len(tokens), "predictions": predictions}


def _prediction(predictor: Predictor, tokens: Tokens, probs: Floats, explain: bool) -> Record:
    """Return what a record of `predict` holds for one model."""
    if not tokens:
        return {"label": None, "probabilities": None}
    best = int(probs.argmax())
    prediction: Record = {
        "label": predictor.classes[best],
        "probabilities": dict(zip(predictor.classes, probs.round(4).tolist(), strict=True)),
        "vocab_coverage": round(sum(map(predictor.model.is_known, tokens)) / len(tokens), 4),
    }
    if explain:
        explanation = predictor.explain_tokens(tokens, best)
        prediction["attributions"] = [[w, round(value, 4)] for w, value in explanation.attributions]
        prediction["bias"] = round(explanation.bias, 4)
    return prediction


def format_record(record: Record, color: bool, show_text: bool) -> str:
    """Format a record for a terminal.

    The result holds only printable characters, and the escape sequences of the colors.

    Args:
        record: A record of `predict`.
        color: Whether to show attributions by colors instead of numbers.
        show_text: Whether to show the line's number and the beginning of the text.
    """
    lines = []
    if show_text:
        start = "".join(c if c.isprintable() else " " for c in record["text"][:61]).strip()
        start = start if len(start) <= 60 else start[:59] + "…"
        lines.append(f"{record['line']}: {start}".rstrip())
    if not record["words"]:
        return "\n".join([*lines, "no words in the text: not classified"])
    for name, prediction in record["predictions"].items():
        label = prediction["label"]
        lines.append(f"{name:6} {label:5} {prediction['probabilities'][label]:.1%}")
        if "attributions" in prediction:
            words = (_format_word(word, x, color) for word, x in prediction["attributions"])
            lines.append("       " + " ".join(words))
        if prediction["vocab_coverage"] < 0.5:
            lines.append("       (more than half of the words are not in the vocabulary)")
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


def predict_table(path: Path, column: str, out: Path, predictors: list[Predictor]) -> None:
    """Add columns with the label and the probabilities of each model to a table, as CSV.

    Args:
        path: CSV, TSV, JSON Lines or Parquet file.
        column: The column with the texts.
        out: CSV file to write.
        predictors: The models to use.

    Raises:
        UserError: If `out` is the input, the input cannot be read, or it has such columns already.
    """
    if out.resolve() == path.resolve():
        raise UserError(f"--out {out}: this is the input; choose another name")
    table, column = read_table(path, column)
    records = predict(table[column], predictors, explain=False)
    columns: dict[str, list[Any]] = {}
    for predictor in predictors:
        columns[f"{predictor.name}_label"] = []
        columns |= {f"{predictor.name}_probability_{name}": [] for name in predictor.classes}
    if existing := ", ".join(repr(name) for name in columns if name in table):
        raise UserError(f"{path}: has the column {existing} already; rename or remove it")
    for record in progress(records, len(table), "predict", "texts"):
        for predictor in predictors:
            prediction = record["predictions"][predictor.name]
            columns[f"{predictor.name}_label"].append(prediction["label"])
            for name in predictor.classes:
                probability = (prediction["probabilities"] or {}).get(name)
                columns[f"{predictor.name}_probability_{name}"].append(probability)
    for name, values in columns.items():
        table[name] = values
    with atomic_write(out) as temporary:
        table.to_csv(temporary, index=False, encoding="utf-8", lineterminator="\n")


def _read_file(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        yield from iter_lines(file, str(path))


def _check_arguments(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Exit with a usage message if options do not fit together."""
    if bool(args.text) + bool(args.file) + bool(args.csv) > 1:
        parser.error("give either texts, or --file, or --csv")
    if args.file and is_table(args.file):
        parser.error(f"--file {args.file}: a table; use --csv {args.file} --out FILE.csv")
    if args.csv and (args.explain or args.json):
        parser.error("--explain and --json are not for --csv")
    if bool(args.csv) != bool(args.out):
        parser.error("--csv and --out belong together")
    if args.out and args.out.suffix.lower() != ".csv":
        parser.error(f"--out {args.out}: the name must end in .csv")
    names = [folder.resolve().name for folder in args.models]
    if len({*names}) < len(names):
        parser.error(f"--model: folders of the same name: {', '.join(names)}; rename one")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", nargs="*", help="texts; without any, they are read line by line")
    parser.add_argument("--file", type=Path, help="text file with one text per line")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="CSV, TSV, JSON Lines or Parquet")
    parser.add_argument("--column", default="text", help="its column with the texts (text)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="CSV file to write for --csv")
    parser.add_argument("--json", action="store_true", help="print one JSON object per text")
    parser.add_argument("--explain", action="store_true", help="attribute predictions to the words")
    parser.add_argument("--model", type=Path, action="append", dest="models", metavar="FOLDER",
                        help="folder of a model; repeat it for several"
                        f" (default: every trained model in {MODELS})")  # fmt: skip
    parser.add_argument("--seed", type=int, help="use the networks of this seed only, not of all")
    args = parser.parse_args()
    if not args.models:
        args.models = [*model_folders(MODELS).values()]
        if not args.models:
            raise UserError(f"{MODELS}: no trained model; run dvc repro, or use --model")
    _check_arguments(parser, args)

    if isinstance(sys.stdout, TextIOWrapper):  # the output encoding may lack characters of the text
        sys.stdout.reconfigure(errors="backslashreplace")
    total = 0
    if args.file and not args.file.is_fifo():  # a pipe can be read only once
        total = sum(1 for _ in _read_file(args.file))  # also checks its encoding
    predictors = [Predictor(folder, args.seed) for folder in args.models]
    if args.csv:
        predict_table(args.csv, args.column, args.out, predictors)
        return
    texts: Iterable[str]
    batch_size = BATCH_SIZE
    if args.text:
        texts = args.text
    elif args.file:
        texts = _read_file(args.file)
    else:
        texts = iter_lines(cast("Any", sys.stdin.buffer), "standard input")
        if sys.stdin.isatty():
            batch_size = 1  # answer each line that is typed
    records = predict(texts, predictors, args.explain, batch_size)
    if total and not sys.stdout.isatty():
        records = progress(records, total, "predict", "texts")
    for record in records:
        if args.json:
            print(json.dumps(record), flush=True)
        else:
            show_text = len(args.text) != 1
            print(format_record(record, sys.stdout.isatty(), show_text), flush=True)


if __name__ == "__main__":
    run_main(main)
