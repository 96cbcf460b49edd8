"""The training of project 1, on small data and with the committed parameters."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stages.common.errors import UserError
from stages.common.params import load_params
from stages.mlp_numpy import model, train
from stages.mlp_numpy.history import read_history
from stages.mlp_numpy.params import MLP
from stages.mlp_numpy.weights import load_weights, save_weights
from stages.points.csv_io import read_points, write_points
from stages.points.generate import generate
from stages.points.params import Points
from tests.clone import ROOT

PARAMS = {
    "hidden_size": 8, "activation": "tanh", "epochs": 5, "batch_size": 16, "learning_rate": 0.1,
    "momentum": 0.9, "seed": 3,
}  # fmt: skip


def write_inputs(folder: Path, n_classes: int = 2, **changes: object) -> list[str]:
    """Write points and parameters, and return the arguments that name them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, seed in (("train", 1), ("test", 2)):
        write_points(folder / f"{name}.csv", *generate("blobs", 60, 0.2, n_classes, seed))
    (folder / "params.yaml").write_text(json.dumps({"mlp": {**PARAMS, **changes}}), "utf-8")
    return [
        f"--train={folder / 'train.csv'}",
        f"--test={folder / 'test.csv'}",
        f"--params={folder / 'params.yaml'}",
    ]


def output_args(folder: Path) -> list[str]:
    return [
        f"--model={folder / 'numpy.safetensors'}",
        f"--history={folder / 'history.safetensors'}",
        f"--live={folder / 'live'}",
        f"--metrics={folder / 'metrics.json'}",
    ]


def run_stage(monkeypatch: pytest.MonkeyPatch, *args: str) -> None:
    monkeypatch.setattr("sys.argv", ["train", *args])
    train.main()


@pytest.mark.parametrize(("n_classes", "activation"), [(2, "tanh"), (4, "relu"), (3, "sigmoid")])
def test_the_stage_writes_weights_history_curves_and_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_classes: int, activation: str
) -> None:
    inputs = write_inputs(tmp_path, n_classes, activation=activation, epochs=20)
    run_stage(monkeypatch, *inputs, *output_args(tmp_path))

    trained, trained_activation = load_weights(tmp_path / "numpy.safetensors")
    assert trained_activation == activation
    X, labels, _ = read_points(tmp_path / "test.csv", n_classes)
    A2 = model.forward(X, *trained, model.ACTIVATIONS[activation].phi)[2]
    accuracy = float(np.mean(A2.argmax(axis=1) == labels))
    metrics = json.loads((tmp_path / "metrics.json").read_text())["numpy"]
    assert metrics["acc"] == round(accuracy, 4)
    assert accuracy > 0.9

    curve = read_history(tmp_path / "live", "test/acc")
    assert len(curve) == 20
    assert curve[-1] == accuracy
    history, _ = load_weights(tmp_path / "history.safetensors")
    assert history.W1.shape == (21, 2, 8)
    assert np.array_equal(history.W1[-1], trained.W1)
    assert not history.b1[0].any()


def test_a_diverging_training_is_reported_and_writes_no_model(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path, activation="relu", learning_rate=10.0)
    (tmp_path / "train.csv").write_text(
        "x1,x2,label\n" + "".join(f"{i * 1e3},{-i * 1e3},{i % 2}\n" for i in range(40))
    )
    command = [sys.executable, "-m", "stages.mlp_numpy.train", *inputs, *output_args(tmp_path)]
    completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert completed.returncode == 1
    assert completed.stderr.startswith("error: training diverged: in epoch 1 the loss is ")
    assert "equal class probabilities give 0.6931; lower mlp.learning_rate" in completed.stderr
    assert completed.stderr.count("\n") == 1
    for name in ("numpy.safetensors", "history.safetensors", "metrics.json"):
        assert not (tmp_path / name).exists()


def test_a_batch_larger_than_the_data_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = write_inputs(tmp_path, batch_size=61)
    with pytest.raises(UserError, match=r"mlp\.batch_size = 61: larger than the 60 points of"):
        run_stage(monkeypatch, *inputs, *output_args(tmp_path))


def test_an_unknown_activation_is_refused(tmp_path: Path) -> None:
    write_inputs(tmp_path, activation="gelu")
    with pytest.raises(UserError, match=r"mlp\.activation = 'gelu': expected one of tanh"):
        load_params(tmp_path / "params.yaml", "mlp", MLP)


def test_a_new_activation_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(model.ACTIVATIONS, "identity", model.Activation(np.copy, np.ones_like))
    write_inputs(tmp_path, activation="identity")
    assert load_params(tmp_path / "params.yaml", "mlp", MLP).activation == "identity"


def test_a_file_without_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(UserError, match="no such file"):
        load_weights(path)
    path.write_bytes(b"not weights at all")
    with pytest.raises(UserError, match="not the weights of a perceptron"):
        load_weights(path)


def test_weights_of_an_unknown_activation_are_refused(tmp_path: Path) -> None:
    weights = model.init_weights(2, 3, 2, np.random.default_rng(0))
    save_weights(tmp_path / "a", weights, "gelu")
    with pytest.raises(UserError, match="unknown activation 'gelu'; expected one of tanh, relu"):
        load_weights(tmp_path / "a")


def test_a_missing_curve_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"loss\.tsv: no such file; train the network first"):
        read_history(tmp_path, "train/loss")


@pytest.mark.parametrize("name", ["numpy", "by_hand", "sequential", "module"])
def test_the_committed_metrics_are_at_least_97_percent(name: str) -> None:
    if load_params(ROOT / "params.yaml", "points", Points).dataset != "moons":
        pytest.skip("params.yaml has another data set")
    metrics = json.loads((ROOT / "metrics" / f"mlp_{name}.json").read_text(encoding="utf-8"))
    assert metrics[name]["acc"] >= 0.97
