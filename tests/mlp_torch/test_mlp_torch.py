"""The three PyTorch versions compute the same as project 1, and read alike."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.common.errors import UserError
from stages.mlp_numpy import model
from stages.mlp_numpy import train as numpy_train
from stages.mlp_numpy.history import read_history
from stages.mlp_numpy.weights import load_weights
from stages.mlp_torch import activations, by_hand, check, module, sequential, train
from stages.mlp_torch.autograd import autograd_error
from stages.points.csv_io import write_points
from stages.points.generate import generate

VERSIONS = [by_hand, sequential, module]
NAMES = ["by_hand", "sequential", "module"]
PARAMS = {
    "hidden_size": 8, "activation": "tanh", "epochs": 4, "batch_size": 16, "learning_rate": 0.1,
    "momentum": 0.9, "seed": 3,
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Small arrays are slower on two threads, and much slower on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@settings(deadline=None)
@given(
    activation=st.sampled_from(sorted(model.ACTIVATIONS)),
    m=st.integers(1, 20),
    n=st.integers(1, 4),
    h=st.integers(1, 8),
    C=st.integers(2, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_backward_matches_autograd(
    activation: str, m: int, n: int, h: int, C: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    weights = model.Weights(*(rng.normal(0, 0.7, size) for size in ((n, h), h, (h, C), C)))
    X, labels = rng.uniform(-2, 2, (m, n)), rng.integers(0, C, m)
    assert autograd_error(X, labels, weights, activation) <= 1e-7


@pytest.mark.parametrize("field", model.Weights._fields)
def test_autograd_detects_a_wrong_gradient(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*arguments: object) -> model.Weights:
        gradients = model.backward(*arguments)  # type: ignore[arg-type]
        return gradients._replace(**{field: getattr(gradients, field) * (1 + 1e-6)})

    X, labels = generate("blobs", 30, 0.3, 3, 0)
    weights = model.init_weights(2, 4, 3, np.random.default_rng(0))
    monkeypatch.setattr("stages.mlp_torch.autograd.backward", wrong)
    assert autograd_error(X, labels, weights, "tanh") == pytest.approx(1e-6, rel=0.01)


def leaky_relu(Z1: model.Array) -> model.Array:
    return np.maximum(Z1, 0.01 * Z1)


def leaky_relu_prime(A1: model.Array) -> model.Array:
    return np.where(A1 > 0, 1, 0.01)


@pytest.fixture
def _leaky_relu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add an activation to both tables, as a reader would."""
    entry = model.Activation(leaky_relu, leaky_relu_prime, kink=True)
    monkeypatch.setitem(model.ACTIVATIONS, "leaky_relu", entry)
    torch_entry = activations.Activation(torch.nn.functional.leaky_relu, torch.nn.LeakyReLU)
    monkeypatch.setitem(activations.ACTIVATIONS, "leaky_relu", torch_entry)


def test_both_tables_have_the_same_activations() -> None:
    assert list(activations.ACTIVATIONS) == list(model.ACTIVATIONS)


@pytest.mark.usefixtures("_leaky_relu")
def test_the_stage_checks_the_gradients_of_a_new_activation() -> None:
    X, labels = generate("blobs", 30, 0.3, 3, 0)
    weights = model.init_weights(2, 4, 3, np.random.default_rng(0))
    assert autograd_error(X, labels, weights, "leaky_relu") <= 1e-13
    digits = check.gradient_digits(X, labels, weights)
    assert digits["differences"] >= 9
    assert digits["autograd"] >= 13


@pytest.mark.parametrize("scale", [1e-3, 1, 1e3])
@pytest.mark.parametrize("seed", [0, 4])
def test_points_without_noise_are_checked_too(scale: float, seed: int) -> None:
    """Two blobs without noise are two points: symmetric, and near a kink of ReLU with seed 4."""
    X, labels = generate("blobs", 30, 0.0, 2, 7)
    weights = model.init_weights(2, 16, 2, np.random.default_rng(seed))
    digits = check.gradient_digits(scale * X, labels, weights)
    assert digits["differences"] >= 8
    assert digits["autograd"] >= 11


@pytest.mark.usefixtures("_leaky_relu")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("activation", [*sorted(model.ACTIVATIONS), "leaky_relu"])
def test_the_losses_and_weights_match_project_1(version: ModuleType, activation: str) -> None:
    n_classes = 3
    X, labels = generate("spirals", 150, 0.05, n_classes, 0)
    rng = np.random.default_rng(1)
    weights = model.init_weights(2, 12, n_classes, rng)
    epoch_batches = list(model.minibatches(len(X), 32, 40, rng))
    expected = [
        (loss, model.Weights(*(W.copy() for W in trained)))
        for loss, trained in model.fit(
            X, model.one_hot(labels, n_classes), weights, activation, epoch_batches, 0.05, 0.9
        )
    ]
    epochs = version.fit(
        torch.from_numpy(X),
        torch.from_numpy(labels),
        tuple(map(torch.from_numpy, weights)),
        activation,
        [[torch.from_numpy(indices) for indices in batches] for batches in epoch_batches],
        0.05,
        0.9,
    )
    n_epochs = 0
    for (loss, trained), (torch_loss, network, tensors) in zip(expected, epochs, strict=True):
        assert torch_loss == pytest.approx(loss, rel=1e-10)
        for W, tensor in zip(trained, tensors, strict=True):
            assert np.allclose(tensor.detach().numpy(), W, rtol=1e-9, atol=1e-12)
        A2 = model.forward(X, *trained, model.ACTIVATIONS[activation].phi)[2]
        logits = network(torch.from_numpy(X))
        assert np.allclose(logits.softmax(dim=1).detach().numpy(), A2, atol=1e-10)
        n_epochs += 1
    assert n_epochs == 40
    assert expected[-1][0] < expected[0][0]


@pytest.mark.parametrize("version", VERSIONS)
def test_fit_does_not_change_the_initial_weights(version: ModuleType) -> None:
    X, labels = map(torch.from_numpy, generate("moons", 20, 0.1, 2, 0))
    weights = tuple(map(torch.from_numpy, model.init_weights(2, 4, 2, np.random.default_rng(0))))
    before = [W.clone() for W in weights]
    for _ in version.fit(X, labels, weights, "relu", [[torch.arange(20)]], 0.1, 0.9):
        pass
    assert all(map(torch.equal, weights, before))


@pytest.mark.parametrize(("one", "next_one"), list(pairwise(VERSIONS)))
def test_consecutive_versions_share_most_of_their_lines(
    one: ModuleType, next_one: ModuleType
) -> None:
    """Each file adds one idea to the previous file."""
    lines, next_lines = (
        Path(str(version.__file__)).read_text(encoding="utf-8").splitlines()
        for version in (one, next_one)
    )
    new = [line for line in next_lines if line.strip() and line not in lines]
    assert len(new) <= 25
    assert one.fit.__doc__ == next_one.fit.__doc__
    assert one.fit.__annotations__.keys() == next_one.fit.__annotations__.keys()


@pytest.fixture
def inputs(tmp_path: Path) -> list[str]:
    for name, seed in (("train", 1), ("test", 2)):
        write_points(tmp_path / f"{name}.csv", *generate("blobs", 60, 0.2, 3, seed))
    (tmp_path / "params.yaml").write_text(json.dumps({"mlp": PARAMS}), encoding="utf-8")
    return [
        f"--train={tmp_path / 'train.csv'}",
        f"--test={tmp_path / 'test.csv'}",
        f"--params={tmp_path / 'params.yaml'}",
    ]


def output_args(folder: Path, name: str) -> list[str]:
    return [
        f"--model={folder / name}.safetensors",
        f"--live={folder / name}",
        f"--metrics={folder / name}.json",
    ]


def run_stage(monkeypatch: pytest.MonkeyPatch, stage: ModuleType, *args: str) -> None:
    monkeypatch.setattr("sys.argv", ["stage", *args])
    stage.main()


def test_the_stages_train_and_check_all_versions(
    tmp_path: Path, inputs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    history = f"--history={tmp_path / 'history.safetensors'}"
    run_stage(monkeypatch, numpy_train, *inputs, *output_args(tmp_path, "numpy"), history)
    expected = json.loads((tmp_path / "numpy.json").read_text())["numpy"]
    weights, _ = load_weights(tmp_path / "numpy.safetensors")
    for name in NAMES:
        run_stage(monkeypatch, train, name, *inputs, *output_args(tmp_path, name))
        assert json.loads((tmp_path / f"{name}.json").read_text())[name] == expected
        trained, activation = load_weights(tmp_path / f"{name}.safetensors")
        assert activation == "tanh"
        for W, torch_W in zip(weights, trained, strict=True):
            assert np.allclose(W, torch_W, rtol=1e-9)
        assert len(read_history(tmp_path / name, "test/loss")) == 4

    run_stage(
        monkeypatch, check, inputs[0], inputs[2],
        f"--numpy={tmp_path / 'numpy'}", "--torch", *(str(tmp_path / name) for name in NAMES),
        f"--gradients={tmp_path / 'gradients.json'}", f"--losses={tmp_path / 'losses.json'}",
    )  # fmt: skip
    assert json.loads((tmp_path / "losses.json").read_text())["loss_digits"] >= 12
    digits = json.loads((tmp_path / "gradients.json").read_text())["gradient_digits"]
    assert digits["differences"] >= 7
    assert digits["autograd"] >= 12


def write_losses(live_dir: Path, losses: list[float]) -> None:
    path = live_dir / "plots" / "metrics" / "train" / "loss.tsv"
    path.parent.mkdir(parents=True)
    path.write_text("step\tloss\n" + "".join(f"{i}\t{loss}\n" for i, loss in enumerate(losses)))


@pytest.mark.parametrize(
    ("numpy", "torch", "digits"),
    [
        ([0.5, 0.5], [0.5, 0.5001], 3),
        ([0.5, 0.2], [0.5, 0.2], 15),
        ([0.5, 0.0], [0.5, 0.0], 15),
        ([0.5, 0.0], [0.5, 0.1], 0),
        ([0.5, 0.0], [0.5, 1e-18], 15),  # rounding
        ([0.5, 1e-18], [0.5, 0.0], 15),
        ([0.5, 1e-6], [0.5, 1.001e-6], 2),
    ],
)
def test_the_matching_digits_of_the_losses(
    tmp_path: Path, numpy: list[float], torch: list[float], digits: int
) -> None:
    write_losses(tmp_path / "numpy", numpy)
    write_losses(tmp_path / "same", numpy)
    write_losses(tmp_path / "other", torch)
    assert check.loss_digits(tmp_path / "numpy", [tmp_path / "same", tmp_path / "other"]) == digits


@pytest.mark.parametrize("version", NAMES)
def test_a_diverging_training_writes_no_model(
    tmp_path: Path, inputs: list[str], monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    (tmp_path / "train.csv").write_text(
        "x1,x2,label\n" + "".join(f"{i * 1e3},{-i * 1e3},{i % 3}\n" for i in range(40))
    )
    diverging = {"mlp": {**PARAMS, "activation": "relu", "learning_rate": 10.0}}
    (tmp_path / "params.yaml").write_text(json.dumps(diverging))
    with pytest.raises(UserError, match=r"training diverged: in epoch \d+ the loss is"):
        run_stage(monkeypatch, train, version, *inputs, *output_args(tmp_path, version))
    assert not (tmp_path / f"{version}.safetensors").exists()
    assert not (tmp_path / f"{version}.json").exists()
