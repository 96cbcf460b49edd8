"""What all trainings of projects 1 and 2 share: the data, the learning curves and the metrics."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from dvclive.live import Live
from numpy.typing import NDArray

from stages.common.errors import UserError
from stages.common.files import write_json
from stages.common.progress import log
from stages.mlp_numpy.model import Array, Weights, loss, one_hot
from stages.points.csv_io import read_points


class Dataset(NamedTuple):
    """Samples of shape (m, 2) and labels of shape (m,), for training and for testing."""

    X: NDArray[np.float64]
    labels: NDArray[np.int64]
    X_test: NDArray[np.float64]
    test_labels: NDArray[np.int64]
    n_classes: int


def load_data(train: Path, test: Path, batch_size: int) -> Dataset:
    """Read the training and the test points.

    Raises:
        UserError: If a file is wrong, or has fewer training points than a batch.
    """
    X, labels, n_classes = read_points(train)
    X_test, test_labels, _ = read_points(test, n_classes)
    if batch_size > len(X):
        raise UserError(
            f"mlp.batch_size = {batch_size}: larger than the {len(X)} points of {train}; set it to"
            f" {len(X)} or less"
        )
    return Dataset(X, labels, X_test, test_labels, n_classes)


class EpochResult(NamedTuple):
    """The state of a network after an epoch. The next epoch changes the weights in place."""

    loss: float  # mean over the epoch's samples, each before the step that used it; in nats
    log_probabilities: Callable[[Array], Array]  # from X of shape (m, n) to (m, C)
    weights: Weights


def train_and_log(
    results: Iterable[EpochResult], data: Dataset, live_dir: Path, metrics: Path, name: str
) -> EpochResult:
    """Run a training to its end, log each epoch, and write the test metrics.

    Args:
        results: The training, an iterable with one item per epoch.
        data: Data for measuring loss and accuracy.
        live_dir: Folder for plots/metrics/{train,test}/{loss,acc}.tsv and metrics.json, which are
            written after every epoch.
        metrics: JSON file to write: {name: {"acc": ..., "loss": ...}} of the test points.
        name: Name of the network.

    Returns:
        The result of the last epoch.

    Raises:
        UserError: If the training diverges: the loss is not finite, or more than ten times the loss
            of equal class probabilities, which is about that of an untrained network.
    """
    uniform_loss = np.log(data.n_classes)
    Y_test = one_hot(data.test_labels, data.n_classes)
    with (
        np.errstate(over="ignore", invalid="ignore"),  # the check below reports divergence
        Live(dir=str(live_dir), save_dvc_exp=False, dvcyaml=None, monitor_system=False) as live,
    ):
        for epoch, result in enumerate(results, start=1):
            if not result.loss <= 10 * uniform_loss:  # `>` would be False for nan
                raise UserError(
                    f"training diverged: in epoch {epoch} the loss is {result.loss:.4g}, while"
                    f" equal class probabilities give {uniform_loss:.4g}; lower mlp.learning_rate"
                    " or mlp.momentum, or scale the coordinates to about 1"
                )
            log_A2 = result.log_probabilities(data.X_test)
            acc = accuracy(log_A2, data.test_labels)
            test_loss = loss(log_A2, Y_test)
            live.step = epoch
            live.log_metric("train/loss", result.loss)
            live.log_metric("train/acc", accuracy(result.log_probabilities(data.X), data.labels))
            live.log_metric("test/loss", test_loss)
            live.log_metric("test/acc", acc)
            live.make_summary()
    log(f"{name}: {epoch} epochs; test accuracy {acc:.1%}")
    write_json(metrics, {name: {"acc": round(acc, 4), "loss": round(test_loss, 4)}})
    return result


def accuracy(log_A2: Array, labels: NDArray[np.int64]) -> float:
    """Return the fraction of the samples whose most probable class is correct."""
    return float(np.mean(log_A2.argmax(axis=1) == labels))


def read_history(live_dir: Path, name: str) -> NDArray[np.float64]:
    """Return a learning curve, such as train/loss, with one value per epoch.

    Raises:
        UserError: If the training has not written it.
    """
    path = live_dir / "plots" / "metrics" / f"{name}.tsv"
    try:
        # As text: Python's float() restores every bit, pandas' own parser may not.
        table = pd.read_csv(path, sep="\t", dtype=str)
    except (FileNotFoundError, pd.errors.EmptyDataError):
        raise UserError(f"{path}: no such file; train the network first (dvc repro)") from None
    return np.array([float(value) for value in table[path.stem]])


def max_loss_difference(reference: Path, others: list[Path]) -> NDArray[np.float64]:
    """Return, for each epoch, the largest absolute difference of training loss from a reference.

    Args:
        reference: Live folder of the reference training.
        others: Live folders of the trainings to compare with it.
    """
    losses = read_history(reference, "train/loss")
    differences = [np.abs(read_history(live_dir, "train/loss") - losses) for live_dir in others]
    return np.max(differences, axis=0)
