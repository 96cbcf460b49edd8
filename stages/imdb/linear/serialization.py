"""The linear model on disk. Loading it needs no scikit-learn and runs no code from the file.

A folder holds

    config.json          the data, the classes and the size of the n-grams
    ngrams.txt           one n-gram per line; the number of the line, from 0, is its column
    weights.safetensors  weight [regressions × n-grams] and bias [regressions], float32
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy
from pydantic import Field
from scipy.special import expit

from stages.common.errors import UserError
from stages.common.files import atomic_write, write_json
from stages.common.params import ParamsSection
from stages.imdb.corpus.params import ClassNames
from stages.imdb.corpus.tokenizer import tokenize

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline  # slow to import, and predicting a text does not need it

Floats = npt.NDArray[np.float64]


class LinearConfig(ParamsSection):
    """The content of `config.json`."""

    model: Literal["linear"] = "linear"
    data_name: str
    classes: ClassNames
    ngrams: Annotated[int, Field(ge=1, le=3)]


@dataclass(frozen=True)
class LinearModel:
    """The fitted linear model: the weight of an n-gram is log-count ratio times coefficient.

    Attributes:
        config: The data, the classes and the size of the n-grams.
        columns: The column of each n-gram.
        weight: float32 [regressions × n-grams]. There is one regression if there are two classes,
            else one per class.
        bias: float32 [regressions].
    """

    config: LinearConfig
    columns: dict[str, int]
    weight: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]

    def predict_proba(self, texts: Iterable[str]) -> Floats:
        """Return the probability of each class, float64 [texts × classes]."""
        return self.predict_proba_tokens([tokenize(text) for text in texts])

    def predict_proba_tokens(self, texts: Sequence[Sequence[str]]) -> Floats:
        """Do `predict_proba` for tokenized texts."""
        logits = np.tile(self.bias.astype(np.float64), (len(texts), 1))
        for i, tokens in enumerate(texts):
            ngrams = extract_ngrams(tokens, self.size)
            columns = sorted({self.columns[ngram] for ngram in ngrams if ngram in self.columns})
            logits[i] += self.weight[:, columns].sum(axis=1, dtype=np.float64)
        positive = expit(logits)
        if positive.shape[1] == 1:
            return np.hstack([1 - positive, positive])
        # With one regression per class, the probabilities do not sum to 1 by themselves.
        return positive / positive.sum(axis=1, keepdims=True)

    def contributions(self, tokens: Sequence[str], label: int) -> tuple[dict[str, float], float]:
        """Return what each known n-gram of a text adds to a logit, and the bias.

        Args:
            tokens: The words of the text.
            label: Index of the class. If there are two classes, there is only one logit, that of
                the second, and `label` is ignored.

        Returns:
            The n-grams with their contributions, and the bias. They sum to the logit, because an
            n-gram counts once, however often it occurs.
        """
        row = 0 if len(self.bias) == 1 else label
        ngrams = dict.fromkeys(extract_ngrams(tokens, self.size))
        return {
            ngram: float(self.weight[row, self.columns[ngram]])
            for ngram in ngrams
            if ngram in self.columns
        }, float(self.bias[row])

    @property
    def size(self) -> int:
        """Number of words of the longest n-grams."""
        return self.config.ngrams


def extract_ngrams(tokens: Sequence[str], size: int) -> list[str]:
    """Return the n-grams of up to `size` words, as CountVectorizer names them."""
    ngrams = list(tokens)
    for n in range(2, size + 1):
        ngrams += [" ".join(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return ngrams


def save_linear(model: "Pipeline", data_name: str, classes: Sequence[str], folder: Path) -> None:
    """Write a fitted pipeline of `build_linear_model` to a folder."""
    vectorizer, classifier = model[0], model[-1]
    regressions = getattr(classifier, "estimators_", [classifier])  # one per class, or one
    weight = np.vstack([each[0].r_ * each[-1].coef_ for each in regressions])
    bias = np.concatenate([each[-1].intercept_ for each in regressions])
    config = LinearConfig(
        data_name=data_name,
        classes=list(classes),
        ngrams=vectorizer.ngram_range[1],
    )
    with atomic_write(folder) as temporary:
        temporary.mkdir()
        write_json(temporary / "config.json", config.model_dump())
        (temporary / "ngrams.txt").write_text(
            "".join(f"{ngram}\n" for ngram in vectorizer.get_feature_names_out()),
            "utf-8",
            newline="\n",
        )
        tensors = {"weight": weight.astype(np.float32), "bias": bias.astype(np.float32)}
        safetensors.numpy.save_file(tensors, temporary / "weights.safetensors")


def load_linear(folder: Path) -> LinearModel:
    """Read a model that `save_linear` wrote.

    Raises:
        UserError: If a file is missing or damaged. The message names the folder.
    """
    weights_path = folder / "weights.safetensors"
    try:
        content = json.loads((folder / "config.json").read_text("utf-8"))
        config = LinearConfig.model_validate(content)
        ngrams = (folder / "ngrams.txt").read_text("utf-8").split("\n")[:-1]
        tensors = safetensors.numpy.load(weights_path.read_bytes())
        weight, bias = tensors["weight"], tensors["bias"]
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: no such file; train the model: dvc repro") from None
    except (ValueError, KeyError, RecursionError, safetensors.SafetensorError) as error:
        raise UserError(f"{folder}: damaged ({error}); train again: dvc repro -f") from None
    if not all(each.dtype == np.float32 and np.isfinite(each).all() for each in (weight, bias)):
        raise UserError(
            f"{folder}: damaged (a weight is not finite float32); train again: dvc repro -f"
        )
    regressions = 1 if len(config.classes) == 2 else len(config.classes)
    for name, found, shape in (
        ("weight", weight.shape, (regressions, len(ngrams))),
        ("bias", bias.shape, (regressions,)),
    ):
        if found != shape:
            raise UserError(
                f"{weights_path}: does not fit config.json and ngrams.txt: {name!r} has the shape"
                f" {found}, expected {shape}; the files are of different models: train it again, or"
                " copy the whole folder"
            )
    columns = {ngram: column for column, ngram in enumerate(ngrams)}
    return LinearModel(config, columns, weight, bias)
