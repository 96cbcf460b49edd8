"""Time the networks of projects 1 and 2 beside scikit-learn's and a scalar autograd.

    python -m benchmarks.mlp

Every contender trains the same network (one hidden layer, tanh) on the same points, with the same
batch size, number of epochs, learning rate and momentum, in float64 on one thread; each computes
its loss for every batch. The contenders take turns, several rounds; what is told are medians.
One thing favours scikit-learn: for two classes it has one logistic output, we two in a softmax.
Writes benchmarks/mlp.md and prints it.
"""

import argparse
import statistics
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from benchmarks import scalar
from benchmarks.common import WITHIN, machine, ratio, seconds_of, table, take_turns, write
from stages.mlp_numpy import model
from stages.mlp_torch import by_hand, module, sequential
from stages.points.generate import generate

LEARNING_RATE, MOMENTUM = 0.02, 0.9
OURS, SKLEARN, SCALAR = "by hand, NumPy", "scikit-learn MLPClassifier", "scalar autograd"
SCALAR_ROUNDS = 3  # it is slow, and its ratio is not in doubt


class Size(NamedTuple):
    """What to train, and how long."""

    points: int
    hidden: int
    batch: int
    epochs: int
    scalar_points: int  # as many as it can do in a few seconds; its time is scaled up


SIZES = [Size(1_000, 16, 32, 20, 200), Size(100_000, 256, 200, 1, 20)]


class Problem(NamedTuple):
    """The same start for everyone; the batches are drawn by each anew, as part of its work."""

    X: model.Array
    labels: np.typing.NDArray[np.int64]
    weights: model.Weights


def make(size: Size) -> Problem:
    X, labels = generate("moons", size.points, 0.15, 2, 0)
    return Problem(X, labels, model.initial(2, size.hidden, 2, np.random.default_rng(0)))


def exhaust(epochs: Iterable[Any]) -> None:
    for _ in epochs:
        pass


def ours(problem: Problem, size: Size) -> None:
    order = model.schedule(size.points, size.batch, size.epochs, np.random.default_rng(0))
    Y = model.one_hot(problem.labels, 2)
    exhaust(model.fit(problem.X, Y, problem.weights, "tanh", order, LEARNING_RATE, MOMENTUM))


def scikit_learn(problem: Problem, size: Size) -> None:
    classifier = MLPClassifier(
        (size.hidden,),
        activation="tanh",
        solver="sgd",
        alpha=0,
        batch_size=size.batch,
        learning_rate_init=LEARNING_RATE,
        momentum=MOMENTUM,
        nesterovs_momentum=False,
        max_iter=size.epochs,
        n_iter_no_change=size.epochs + 1,  # no early end
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(problem.X, problem.labels)
    assert classifier.n_iter_ == size.epochs  # noqa: S101


def torch_version(fit: Callable[..., Iterable[Any]]) -> Callable[[Problem, Size], None]:
    def train(problem: Problem, size: Size) -> None:
        order = model.schedule(size.points, size.batch, size.epochs, np.random.default_rng(0))
        exhaust(
            fit(
                torch.from_numpy(problem.X),
                torch.from_numpy(problem.labels),
                tuple(map(torch.from_numpy, problem.weights)),
                "tanh",
                ([torch.from_numpy(rows) for rows in batches] for batches in order),
                LEARNING_RATE,
                MOMENTUM,
            )
        )

    return train


def matrix_products(problem: Problem, size: Size) -> None:
    """Only the five matrix products of each batch, on arrays that are already there."""
    X, A1 = problem.X[: size.batch], np.ones((size.batch, size.hidden))
    dZ2, dZ1 = np.ones((size.batch, 2)), np.ones((size.batch, size.hidden))
    W1, _, W2, _ = problem.weights
    for _ in range(size.epochs * -(-size.points // size.batch)):
        X @ W1
        A1 @ W2
        A1.T @ dZ2
        dZ2 @ W2.T
        X.T @ dZ1


def sgd_steps(problem: Problem, size: Size) -> None:
    """Only the updates of PyTorch's optimiser, one for each batch."""
    parameters = [torch.tensor(W, requires_grad=True) for W in problem.weights]
    optimizer = torch.optim.SGD(parameters, lr=LEARNING_RATE, momentum=MOMENTUM)
    gradients = [torch.zeros_like(W) for W in parameters]
    for _ in range(size.epochs * -(-size.points // size.batch)):
        for W, dW in zip(parameters, gradients, strict=True):
            W.grad = dW
        optimizer.step()
        optimizer.zero_grad()


def scalars(problem: Problem, size: Size) -> None:
    """One epoch of the first points."""
    m = size.scalar_points
    order = model.schedule(m, size.batch, 1, np.random.default_rng(0))
    scalar.fit(
        problem.X[:m].tolist(),
        problem.labels[:m].tolist(),
        [np.atleast_2d(W).tolist() for W in problem.weights],
        ([rows.tolist() for rows in batches] for batches in order),
        LEARNING_RATE,
        MOMENTUM,
    )


CONTENDERS: dict[str, Callable[[Problem, Size], None]] = {
    OURS: ours,
    SKLEARN: scikit_learn,
    "PyTorch, by hand": torch_version(by_hand.fit),
    "PyTorch, nn.Sequential": torch_version(sequential.fit),
    "PyTorch, nn.Module": torch_version(module.fit),
    "the matrix products alone, NumPy": matrix_products,
    "the updates of torch.optim.SGD alone": sgd_steps,
    SCALAR: scalars,
}


def measure(size: Size, rounds: int) -> dict[str, list[float]]:
    """Seconds an epoch of each contender, a number for each round; the slow one has fewer."""
    problem = make(size)
    quick = {name: train for name, train in CONTENDERS.items() if name != SCALAR}
    times: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    # The first round warms up; the slow one takes part in it and in the first ones that count.
    for contenders, turns, warm_ups in (
        (CONTENDERS, min(rounds, SCALAR_ROUNDS), 1),
        (quick, max(0, rounds - SCALAR_ROUNDS), 0),
    ):
        taken = take_turns(
            {
                name: partial(seconds_of, partial(train, problem, size))
                for name, train in contenders.items()
            },
            turns,
            warm_ups,
        )
        for name, seconds in taken.items():
            scale = size.points / size.scalar_points if name == SCALAR else 1 / size.epochs
            times[name] += [second * scale for second in seconds]
    return times


def report(size: Size, times: dict[str, list[float]]) -> list[str]:
    """A table in Markdown."""
    rows = []
    for name, seconds in times.items():
        note = f" (scaled up from {size.scalar_points} points)" if name == SCALAR else ""
        median, against = 1000 * statistics.median(seconds), ratio(seconds, times[OURS])
        rows.append([f"{name}{note}", f"{median:,.1f} ms", f"{against:,.2f} ×"])
    return [
        f"### {size.points:,} points, {size.hidden} hidden units, batches of {size.batch}",
        "",
        *table(["network", "an epoch", "against by hand, NumPy"], rows),
    ]


def main() -> None:
    """Measure, print and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/mlp.md"))
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    lines = [
        "# The perceptron, timed",
        "",
        f"One hidden layer, tanh, SGD with momentum, float64, one thread; the median of"
        f" {arguments.rounds} rounds in which the contenders take turns; {WITHIN}. Made by"
        " `python -m benchmarks.mlp`.",
        machine("numpy", "scikit-learn", "torch"),
        "",
    ]
    with threadpool_limits(1):
        for size in SIZES:
            lines += report(size, measure(size, arguments.rounds))
    write(arguments.out, lines)


if __name__ == "__main__":
    main()
