"""Time the networks of projects 1 and 2 next to scikit-learn's and a scalar autograd.

    python -m benchmarks.mlp

Writes benchmarks/mlp.md. See README.md for what is measured.
"""

import statistics
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from benchmarks import harness, scalar
from stages.mlp_numpy import model
from stages.mlp_torch import by_hand, module, sequential
from stages.points.generate import generate

LEARNING_RATE, MOMENTUM = 0.02, 0.9
OURS, MICROGRAD = "by hand, NumPy", "scalar autograd"


class Problem(NamedTuple):
    """What all contenders train, and for how long."""

    X: model.Array
    labels: npt.NDArray[np.int64]
    weights: model.Weights
    batch_size: int
    epochs: int
    scalar_samples: int  # points for the scalar autograd, whose time is scaled up

    def minibatches(self) -> Iterable[list[npt.NDArray[np.int64]]]:
        """Draw the batches of all epochs; each contender of ours does so, as part of its work."""
        rng = np.random.default_rng(0)
        return model.minibatches(len(self.X), self.batch_size, self.epochs, rng)

    @property
    def num_steps(self) -> int:
        return self.epochs * -(-len(self.X) // self.batch_size)


def make_problem(
    n_samples: int, hidden_size: int, batch_size: int, epochs: int, scalar_samples: int
) -> Problem:
    X, labels = generate("moons", n_samples, 0.15, 2, 0)
    weights = model.init_weights(2, hidden_size, 2, np.random.default_rng(0))
    return Problem(X, labels, weights, batch_size, epochs, scalar_samples)


def consume(epochs: Iterable[Any]) -> None:
    for _ in epochs:
        pass


def run_numpy(problem: Problem) -> None:
    Y, batches = model.one_hot(problem.labels, 2), problem.minibatches()
    consume(model.fit(problem.X, Y, problem.weights, "tanh", batches, LEARNING_RATE, MOMENTUM))


def run_torch(fit: Callable[..., Iterable[Any]], problem: Problem) -> None:
    X, labels = torch.from_numpy(problem.X), torch.from_numpy(problem.labels)
    weights = tuple(map(torch.from_numpy, problem.weights))
    batches = (list(map(torch.from_numpy, epoch)) for epoch in problem.minibatches())
    consume(fit(X, labels, weights, "tanh", batches, LEARNING_RATE, MOMENTUM))


def run_sklearn(problem: Problem) -> None:
    classifier = MLPClassifier(
        (len(problem.weights.b1),),
        activation="tanh",
        solver="sgd",
        alpha=0,
        batch_size=problem.batch_size,
        learning_rate_init=LEARNING_RATE,
        momentum=MOMENTUM,
        nesterovs_momentum=False,
        max_iter=problem.epochs,
        n_iter_no_change=problem.epochs + 1,  # no early stopping
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(problem.X, problem.labels)
    assert classifier.n_iter_ == problem.epochs  # noqa: S101


def run_matrix_products(problem: Problem) -> None:
    """Compute only the five matrix products of each batch."""
    W1, b1, W2, _ = problem.weights
    X, A1 = problem.X[: problem.batch_size], np.ones((problem.batch_size, len(b1)))
    dZ2, dZ1 = np.ones((problem.batch_size, 2)), np.ones_like(A1)
    for _ in range(problem.num_steps):
        X @ W1
        A1 @ W2
        A1.T @ dZ2
        dZ2 @ W2.T
        X.T @ dZ1


def run_sgd_updates(problem: Problem) -> None:
    """Compute only the updates of PyTorch's optimizer."""
    parameters = [torch.tensor(W, requires_grad=True) for W in problem.weights]
    optimizer = torch.optim.SGD(parameters, lr=LEARNING_RATE, momentum=MOMENTUM)
    gradients = [torch.zeros_like(W) for W in parameters]
    for _ in range(problem.num_steps):
        for W, dW in zip(parameters, gradients, strict=True):
            W.grad = dW
        optimizer.step()
        optimizer.zero_grad()


def run_micrograd(problem: Problem) -> None:
    """Train one epoch on the first points."""
    m = problem.scalar_samples
    few = problem._replace(X=problem.X[:m], labels=problem.labels[:m], epochs=1)
    weights = [np.atleast_2d(W).tolist() for W in problem.weights]
    batches = ([rows.tolist() for rows in epoch] for epoch in few.minibatches())
    scalar.fit(few.X.tolist(), few.labels.tolist(), weights, batches, LEARNING_RATE, MOMENTUM)


CONTENDERS: dict[str, Callable[[Problem], None]] = {
    OURS: run_numpy,
    "scikit-learn MLPClassifier": run_sklearn,
    "PyTorch, by hand": partial(run_torch, by_hand.fit),
    "PyTorch, nn.Sequential": partial(run_torch, sequential.fit),
    "PyTorch, nn.Module": partial(run_torch, module.fit),
    "only the matrix products, NumPy": run_matrix_products,
    "only the updates of torch.optim.SGD": run_sgd_updates,
    MICROGRAD: run_micrograd,
}


def measure(problem: Problem, rounds: int) -> list[str]:
    """Return the report on one problem."""
    turns = {
        name: partial(harness.timeit, partial(CONTENDERS[name], problem)) for name in CONTENDERS
    }
    results = harness.run_interleaved(turns, rounds, warm_ups=1)
    scales = dict.fromkeys(CONTENDERS, 1 / problem.epochs)
    scales[MICROGRAD] = len(problem.X) / problem.scalar_samples
    per_epoch = {name: [scales[name] * t for t in times] for name, times in results.items()}
    rows = []
    for name, seconds in per_epoch.items():
        note = f" (scaled up from {problem.scalar_samples} points)" if name == MICROGRAD else ""
        milliseconds = 1000 * statistics.median(seconds)
        relative = harness.median_ratio(seconds, per_epoch[OURS])
        rows.append([f"{name}{note}", f"{milliseconds:,.1f} ms", f"{relative:,.2f} ×"])
    return [
        f"### {len(problem.X):,} points, {len(problem.weights.b1)} hidden units, batches of"
        f" {problem.batch_size}",
        "",
        *harness.markdown_table(["network", "time per epoch", "relative to NumPy by hand"], rows),
    ]


def main() -> None:
    args = harness.make_parser("mlp", rounds=11).parse_args()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        lines = measure(make_problem(1_000, 16, 32, 20, scalar_samples=200), args.rounds)
        lines += measure(make_problem(100_000, 256, 200, 1, scalar_samples=20), args.rounds)
    summary = (
        f"One hidden layer, tanh, SGD with momentum, float64, one thread. Medians of {args.rounds}"
        f" rounds in which the contenders take turns; {harness.RATIO_NOTE}."
    )
    title = "The multi-layer perceptron, timed"
    harness.write_report(args.out, title, summary, lines, "numpy", "scikit-learn", "torch")


if __name__ == "__main__":
    main()
