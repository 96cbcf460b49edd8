"""What every training of projects 1 and 2 does around the network: check, measure, write down."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from dvclive.live import Live
from numpy.typing import NDArray

from stages.common.errors import StageError
from stages.common.files import write_json
from stages.common.progress import say
from stages.mlp_numpy.model import Array, Weights, loss, one_hot
from stages.points import table


class Data(NamedTuple):
    """Samples X of shape (m, 2) and labels of shape (m,), to train on and to test on."""

    X: NDArray[np.float64]
    labels: NDArray[np.int64]
    X_test: NDArray[np.float64]
    test_labels: NDArray[np.int64]
    classes: int


def read(train: Path, test: Path, batch: int) -> Data:
    """Read both tables; a batch must not be larger than what there is to train on.

    Raises:
        StageError: for a table that is wrong, or a batch too large.
    """
    X, labels, classes = table.read(train)
    X_test, test_labels, _ = table.read(test, classes)
    if batch > len(X):
        raise StageError(
            f"mlp.batch = {batch}: larger than the {len(X)} points of {train}; set it to"
            f" {len(X)} or less"
        )
    return Data(X, labels, X_test, test_labels, classes)


class Epoch(NamedTuple):
    """A network as an epoch left it."""

    loss: float  # the mean over the epoch's samples, each when it was trained on; nats
    log_probabilities: Callable[[Array], Array]  # from X of shape (m, n) to (m, C)
    weights: Weights


def record(epochs: Iterable[Epoch], data: Data, live_dir: Path, metrics: Path, name: str) -> Epoch:
    """Run a training to its end, writing curves as it goes and the test's result after it.

    Args:
        epochs: the training, one item an epoch.
        data: what to measure on.
        live_dir: gets plots/metrics/{train,test}/{loss,acc}.tsv and metrics.json, every epoch.
        metrics: JSON file that gets {name: {"acc": ..., "loss": ...}} on the test points.
        name: of the network.

    Returns:
        The last epoch.

    Raises:
        StageError: if the training diverges: the loss is not finite, or more than ten times what
            guessing costs, where an untrained network begins.
    """
    limit = 10 * np.log(data.classes)
    Y_test = one_hot(data.test_labels, data.classes)
    with (
        np.errstate(over="ignore", invalid="ignore"),  # the check below tells of it better
        Live(dir=str(live_dir), save_dvc_exp=False, dvcyaml=None, monitor_system=False) as live,
    ):
        for number, epoch in enumerate(epochs, start=1):
            if not epoch.loss <= limit:  # not >, which nan would pass
                raise StageError(
                    f"training diverged: in epoch {number} the loss is {epoch.loss:.4g}, and"
                    f" guessing costs {limit / 10:.4g}; lower mlp.learning_rate or mlp.momentum, or"
                    " scale the coordinates to about 1"
                )
            log_A2 = epoch.log_probabilities(data.X_test)
            acc = accuracy(log_A2, data.test_labels)
            test_loss = loss(log_A2, Y_test)
            live.step = number
            live.log_metric("train/loss", epoch.loss)
            live.log_metric("train/acc", accuracy(epoch.log_probabilities(data.X), data.labels))
            live.log_metric("test/loss", test_loss)
            live.log_metric("test/acc", acc)
            live.make_summary()
    say(f"{name}: {number} epochs; {acc:.1%} of the test points right")
    write_json(metrics, {name: {"acc": round(acc, 4), "loss": round(test_loss, 4)}})
    return epoch


def accuracy(log_A2: Array, labels: NDArray[np.int64]) -> float:
    """The fraction of the samples whose most probable class is theirs."""
    return float(np.mean(log_A2.argmax(axis=1) == labels))
