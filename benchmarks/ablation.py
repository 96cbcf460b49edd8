"""Train variants of project 3 and score them on held-out training reviews.

    python -m benchmarks.ablation                     list the variants
    python -m benchmarks.ablation default unigrams    train and score two of them

Run it after `dvc repro`. The training reviews of a fifth of the films are held out, and the test
reviews are not used. Each network is trained from two seeds. The files go to benchmarks/.ablation,
where variants share a language model if its code, data and parameters are the same. An interrupted
command continues from its last checkpoint. Prints a row of docs/ablations.md for each variant.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import torch
import yaml
from sklearn.metrics import roc_auc_score

from benchmarks import harness
from stages.common.errors import UserError, run_main
from stages.common.progress import log
from stages.imdb.corpus.corpus import group_train_val_split, load_corpus
from stages.imdb.linear.serialization import load_linear
from stages.imdb.models.inference import predict_proba_each
from stages.imdb.models.serialization import load_model

FOLDER = harness.BENCHMARKS / ".ablation"
HELD_OUT, SEEDS = 0.2, [1, 2]
# The parameters that each training depends on.
LINEAR_PARAMS = ("linear", "validation")
PRETRAIN_PARAMS = (
    "pretrain", "embedding_dim", "lstm.hidden_size", "lstm.ngrams", "lstm.num_buckets",
    "lstm.bidirectional", "train", "validation",
)  # fmt: skip

Floats = npt.NDArray[Any]


@dataclass(frozen=True)
class Variant:
    """What to train.

    Attributes:
        description: For the table.
        changes: New values of parameters of `imdb`, by their dotted names.
        model: linear, mean or lstm.
        pretrained: If False, the LSTM starts from random weights.
    """

    description: str
    changes: Mapping[str, object] = field(default_factory=dict)
    model: str = "lstm"
    pretrained: bool = True


LABELS_ONLY: dict[str, object] = {
    "lstm.unlabelled_fraction": 0.0,
    "lstm.finetune.epochs": 0,
    "lstm.epochs": 3,
}
UNIGRAMS: dict[str, object] = {"lstm.ngrams": 1}
ADVERSARIAL: dict[str, object] = {
    "lstm.unlabelled_fraction": 0.0, "lstm.finetune.epochs": 2,
    "lstm.finetune.learning_rate": 0.002, "lstm.finetune.adv_epsilon": 0.03,
}  # fmt: skip
LONGER = UNIGRAMS | {
    "embedding_dim": 256, "lstm.hidden_size": 512, "lstm.bidirectional": True,
    "pretrain.epochs": 8, "pretrain.dropout": 0.2, "lstm.learning_rate": 0.001,
    "lstm.finetune.epochs": 5, "lstm.finetune.adv_epsilon": 0.03,
}  # fmt: skip
LARGER: dict[str, object] = {"lstm.hidden_size": 256, "pretrain.epochs": 2}
VARIANTS = {
    "linear": Variant("linear model", model="linear"),
    "mean-labels": Variant("mean, labels only", {"mean.unlabelled_fraction": 0.0}, model="mean"),
    "mean": Variant("mean", model="mean"),
    "mean-bigrams": Variant(
        "mean, with bigrams", {"mean.ngrams": 2, "mean.num_buckets": 100_000}, model="mean"
    ),
    "labels": Variant("LSTM, labels only, not pretrained", LABELS_ONLY, pretrained=False),
    "pretrained-labels": Variant("LSTM, labels only", LABELS_ONLY),
    "not-pretrained": Variant("LSTM, not pretrained", pretrained=False),
    "no-finetuning": Variant("LSTM, without fine-tuning", {"lstm.finetune.epochs": 0}),
    "default": Variant("LSTM"),
    "buckets-100k": Variant("LSTM, 100,000 buckets", {"lstm.num_buckets": 100_000}),
    "buckets-500k": Variant("LSTM, 500,000 buckets", {"lstm.num_buckets": 500_000}),
    "unigrams": Variant("LSTM without bigrams", UNIGRAMS),
    "adversarial-labels": Variant(
        "LSTM without bigrams, labels: 1 epoch, then 2 adversarial ones", UNIGRAMS | ADVERSARIAL
    ),
    "adversarial-finetuning": Variant(
        "LSTM without bigrams, adversarial fine-tuning",
        UNIGRAMS | {"lstm.finetune.adv_epsilon": 0.03},
    ),
    "unigrams-larger": Variant(
        "LSTM without bigrams, 256 units, two epochs of the LM", UNIGRAMS | LARGER
    ),
    "bidirectional": Variant("LSTM, bidirectional", {"lstm.bidirectional": True}),
    "two-epochs": Variant("LSTM, two epochs", {"lstm.epochs": 2}),
    "half-unlabelled": Variant(
        "LSTM, half of the unlabelled reviews", {"lstm.unlabelled_fraction": 0.5}
    ),
    "lower-learning-rate": Variant("LSTM, learning rate 0.001", {"lstm.learning_rate": 0.001}),
    "word-dropout": Variant("LSTM, word dropout 0.2", {"lstm.word_dropout": 0.2}),
    "mean-six-epochs": Variant("mean, six epochs", {"mean.epochs": 6}, model="mean"),
    "linear-trigrams": Variant("linear model, with trigrams", {"linear.ngrams": 3}, model="linear"),
    "linear-C-1": Variant("linear model, C = 1", {"linear.C": 1.0}, model="linear"),
    "larger": Variant("LSTM, 256 units, two epochs of the LM", LARGER),
    "longer": Variant(
        "LSTM, 512 units, eight epochs of the LM with dropout, bidirectional", LONGER
    ),
}


def set_params(tree: dict[str, Any], changes: Mapping[str, object]) -> None:
    """Set values of nested dictionaries by their dotted names, which must exist."""
    for name, value in changes.items():
        *parents, key = name.split(".")
        branch = tree
        for parent in parents:
            branch = branch[parent]
        if key not in branch:
            raise KeyError(name)
        branch[key] = value


def get_param(tree: dict[str, Any], name: str) -> Any:
    """Return a value of nested dictionaries by its dotted name."""
    value: Any = tree
    for key in name.split("."):
        value = value[key]
    return value


@cache
def inputs_digest() -> str:
    """Return a digest of the code of project 3 and of its corpus."""
    digest = hashlib.sha256()
    code = (harness.ROOT / "stages" / "imdb").rglob("*.py")
    for path in [*sorted(code), *sorted(harness.CORPUS.iterdir())]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def run_stage(module: str, output: Path, *arguments: object) -> float:
    """Run a stage, unless it has finished before; return the seconds that it took.

    They are kept in a file next to the output, which marks it as finished.
    """
    seconds = output.with_suffix(".seconds")
    if not seconds.exists():
        start = time.perf_counter()
        command = [sys.executable, "-m", f"stages.imdb.{module}", *map(str, arguments)]
        if subprocess.run(command, cwd=harness.ROOT, check=False).returncode:
            raise UserError(f"{module} failed; its error is above")
        seconds.write_text(str(time.perf_counter() - start), "utf-8")
    return float(seconds.read_text("utf-8"))


def train(variant: Variant) -> tuple[Path, list[float]]:
    """Train a variant.

    Returns:
        The folder of the model, and the minutes that the language model and the model took.
    """
    tree = yaml.safe_load(harness.PARAMS.read_text("utf-8"))
    set_params(tree["imdb"], {"validation": HELD_OUT, "seeds": SEEDS, **variant.changes})

    def path(name: str, *params: str) -> Path:
        """Return a path that depends on the code, the data and the values of these parameters."""
        values = json.dumps(
            [inputs_digest(), *(get_param(tree["imdb"], param) for param in params)]
        )
        return FOLDER / f"{name}-{hashlib.sha256(values.encode()).hexdigest()[:12]}"

    FOLDER.mkdir(exist_ok=True)
    params = path("params", *tree["imdb"]).with_suffix(".yaml")
    params.write_text(yaml.safe_dump(tree), "utf-8")
    shared = ["--params", params]

    linear = path("linear", *LINEAR_PARAMS)
    teacher = linear.with_suffix(".unlabelled")
    seconds = run_stage(
        "linear.main", linear, *shared, "--reviews", harness.REVIEWS, "--model", linear,
        "--predictions", linear.with_suffix(".test"), "--unlabelled", teacher,
    )  # fmt: skip
    if variant.model == "linear":
        return linear, [0.0, seconds / 60]

    def training(module: str, output: Path, *arguments: object) -> float:
        live, checkpoints = output.with_suffix(".live"), output.with_suffix(".checkpoints")
        return run_stage(
            module, output, *arguments, *shared, "--corpus", harness.CORPUS, "--live", live,
            "--checkpoints", checkpoints, "--out", output,
        )  # fmt: skip

    pretrain_seconds = 0.0
    arguments: list[object] = [variant.model, "--teacher", teacher]
    if variant.pretrained and variant.model == "lstm":
        language_model = path("pretrain", *PRETRAIN_PARAMS)
        pretrain_seconds = training("pretraining.main", language_model)
        arguments += ["--pretrained", language_model]
    name = f"{variant.model}{'' if variant.pretrained else '-random'}"
    model = path(name, *tree["imdb"])
    seconds = training("training.main", model, *arguments)
    return model, [pretrain_seconds / 60, seconds / 60]


def predict(model: Path) -> tuple[npt.NDArray[np.integer], Floats]:
    """Return the labels of the held-out reviews, and their probabilities by each seed.

    Returns:
        int [reviews], and the probability of each class, [seeds × reviews × classes].
    """
    corpus = load_corpus(harness.CORPUS)
    _, held_out = group_train_val_split(corpus.metadata, HELD_OUT)
    if model.name.startswith("linear"):
        texts = pq.read_table(harness.REVIEWS, columns=["text"])["text"].take(held_out)
        probabilities: Floats = load_linear(model).predict_proba(texts.to_pylist())[None]
    else:
        networks = [load_model(model, seed)[0] for seed in SEEDS]
        reviews = [corpus[i] for i in held_out]
        probabilities = predict_proba_each(networks, reviews, "held-out reviews")
    return corpus.labels[held_out], probabilities


def scores(labels: npt.NDArray[np.integer], probabilities: Floats) -> tuple[float, float, float]:
    """Return accuracy, cross-entropy in nats and AUC of [reviews × 2] probabilities."""
    accuracy = float((probabilities.argmax(axis=1) == labels).mean())
    of_label = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    nll = float(-np.log(np.maximum(of_label, np.finfo(np.float32).tiny)).mean())
    return accuracy, nll, float(roc_auc_score(labels, probabilities[:, 1]))


def table_row(name: str) -> list[str]:
    """Train and score a variant; return its row of the table."""
    variant = VARIANTS[name]
    model, minutes = train(variant)
    labels, probabilities = predict(model)
    each = ", ".join(f"{scores(labels, of_seed)[0]:.1%}" for of_seed in probabilities)
    accuracy, nll, auc = scores(labels, probabilities.mean(axis=0))
    return [
        variant.description, f"`{name}`", each, f"{accuracy:.2%}", f"{nll:.3f}", f"{auc:.4f}",
        *(f"{value:.1f}" for value in minutes),
    ]  # fmt: skip


HEADER = ["training", "name", "accuracy of each", "both", "NLL", "AUC", "LM, min", "model, min"]


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.ablation")
    parser.add_argument("names", nargs="*", metavar="NAME", help="of the variants to train")
    args = parser.parse_args()
    if unknown := {*args.names} - {*VARIANTS}:
        raise UserError(f"unknown: {', '.join(sorted(unknown))}; expected {', '.join(VARIANTS)}")
    if not args.names:
        for name, variant in VARIANTS.items():
            changes = " ".join(f"imdb.{key}={value}" for key, value in variant.changes.items())
            print(f"{name:<20} {variant.description}\n{'':<20} {changes}")
        return
    torch.set_num_threads(harness.limit_processors())
    if not harness.CORPUS.exists():
        raise UserError(f"{harness.CORPUS}: no reviews; run dvc repro first")
    rows = []
    for name in args.names:
        rows.append(table_row(name))
        log(" | ".join(rows[-1]))
    print("\n".join(harness.markdown_table(HEADER, rows)))
    print(harness.describe_machine("torch"))


if __name__ == "__main__":
    run_main(main)
