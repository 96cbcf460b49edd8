"""Project 1's commands on small made-up CSVs."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from stages.common.errors import StageError
from stages.common.params import load
from stages.mlp_numpy import equations_figures, figures, model, train, weights
from stages.mlp_numpy.params import MLP
from stages.mlp_numpy.series import curve
from stages.points import table
from stages.points.generate import generate, split

ROOT = Path(__file__).parents[2]
GOOD = {
    "hidden": 8, "activation": "tanh", "epochs": 5, "batch": 16, "learning_rate": 0.1,
    "momentum": 0.9, "seed": 3,
}  # fmt: skip


def write_inputs(folder: Path, classes: int = 2, **changes: object) -> list[str]:
    """Points and parameters in a folder, and the arguments that name them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, seed in (("train", 1), ("test", 2)):
        table.write(folder / f"{name}.csv", *generate("blobs", 60, 0.2, classes, seed))
    params = folder / "params.yaml"
    params.write_text(yaml.safe_dump({"mlp": {**GOOD, **changes}}), encoding="utf-8")
    return [f"--{name}={folder / f'{name}.csv'}" for name in ("train", "test")] + [
        f"--params={params}"
    ]


def outputs(folder: Path) -> list[str]:
    return [
        f"--model={folder / 'numpy.safetensors'}",
        f"--history={folder / 'history.safetensors'}",
        f"--live={folder / 'live'}",
        f"--metrics={folder / 'metrics.json'}",
    ]


def call(monkeypatch: pytest.MonkeyPatch, stage: object, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["stage", *arguments])
    stage.main()  # type: ignore[attr-defined]


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
def test_training_writes_a_network_that_classifies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, classes: int, activation: str
) -> None:
    inputs = write_inputs(tmp_path, classes, activation=activation, epochs=20)
    call(monkeypatch, train, *inputs, *outputs(tmp_path))

    trained, written_activation = weights.load(tmp_path / "numpy.safetensors")
    assert written_activation == activation
    X, labels, _ = table.read(tmp_path / "test.csv", classes)
    A2 = model.forward(X, *trained, model.ACTIVATIONS[activation].phi)[2]
    accuracy = float(np.mean(A2.argmax(axis=1) == labels))
    metrics = json.loads((tmp_path / "metrics.json").read_text())["numpy"]
    assert metrics["acc"] == round(accuracy, 4)
    assert accuracy > 0.9

    series = curve(tmp_path / "live", "test/acc")
    assert len(series) == 20
    assert series[-1] == accuracy
    history, _ = weights.load(tmp_path / "history.safetensors")
    assert history.W1.shape == (21, 2, 8)
    assert np.array_equal(history.W1[-1], trained.W1)
    assert not history.b1[0].any()


def test_training_again_and_drawing_again_give_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    for folder in (tmp_path / "first", tmp_path / "second"):
        inputs = write_inputs(folder, 3)
        call(monkeypatch, train, *inputs, *outputs(folder))
        call(
            monkeypatch,
            figures,
            inputs[1],
            *outputs(folder)[:3],
            f"--loss-accuracy={folder / 'curves.png'}",
            f"--boundary={folder / 'boundary.png'}",
            f"--training={folder / 'training.gif'}",
        )
        call(
            monkeypatch,
            equations_figures,
            f"--forward={folder / 'forward.png'}",
            f"--backward={folder / 'backward.png'}",
        )
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        written.append({str(path.relative_to(folder)): path.read_bytes() for path in files})
    assert written[0] == written[1]
    assert len(written[0]) == 16
    with Image.open(tmp_path / "first" / "training.gif") as animation:
        assert animation.n_frames == 6  # type: ignore[attr-defined]
    for name in ("forward", "backward"):
        with Image.open(tmp_path / "first" / f"{name}.png") as picture:
            assert picture.width == 1002


def test_a_training_that_diverges_says_so_and_writes_no_model(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path, activation="relu", learning_rate=10.0)
    (tmp_path / "train.csv").write_text(
        "x1,x2,label\n" + "".join(f"{i * 1e3},{-i * 1e3},{i % 2}\n" for i in range(40))
    )
    command = [sys.executable, "-m", "stages.mlp_numpy.train", *inputs, *outputs(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "error: training diverged: in epoch 1 the loss is " in done.stderr
    assert "mlp.learning_rate" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
    assert not (tmp_path / "numpy.safetensors").exists()
    assert not (tmp_path / "history.safetensors").exists()
    assert not (tmp_path / "metrics.json").exists()


def test_a_batch_larger_than_the_data_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = write_inputs(tmp_path, batch=61)
    with pytest.raises(StageError, match=r"mlp\.batch = 61: larger than the 60 points of"):
        call(monkeypatch, train, *inputs, *outputs(tmp_path))


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"hidden": 0}, "mlp.hidden = 0"),
        ({"hidden": 1.5}, "mlp.hidden = 1.5"),
        ({"activation": "gelu"}, "mlp.activation = 'gelu'"),
        ({"epochs": 0}, "mlp.epochs = 0"),
        ({"batch": 10**9}, "mlp.batch = 1000000000"),
        ({"learning_rate": 1e9}, "mlp.learning_rate = 1000000000.0"),
        ({"learning_rate": 0.0}, "mlp.learning_rate = 0.0"),
        ({"learning_rate": "fast"}, "mlp.learning_rate = 'fast'"),
        ({"momentum": 1.0}, "mlp.momentum = 1.0"),
        ({"dropout": 0.5}, "mlp.dropout is not a known key"),
    ],
)
def test_bad_parameters_are_refused_by_name(
    tmp_path: Path, changes: dict[str, object], key: str
) -> None:
    write_inputs(tmp_path, 2, **changes)
    with pytest.raises(StageError) as caught:
        load(tmp_path / "params.yaml", "mlp", MLP)
    assert key in str(caught.value)


def test_what_are_no_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(StageError, match="no such file"):
        weights.load(path)
    path.write_bytes(b"not weights at all")
    with pytest.raises(StageError, match="not the weights of such a network"):
        weights.load(path)


def test_a_missing_series_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"loss\.tsv: no such series"):
        curve(tmp_path, "train/loss")


def test_the_default_network_knows_the_moons() -> None:
    """With the committed parameters, but for the seed, which should not matter."""
    document = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    points, mlp = document["points"], document["mlp"]
    for seed in range(3):
        made = generate("moons", points["size"], points["noise"], 2, seed)
        (X, labels), (X_test, test_labels) = split(made, points["test"], seed)
        rng = np.random.default_rng(seed)
        start = model.initial(2, mlp["hidden"], 2, rng)
        order = model.schedule(len(X), mlp["batch"], mlp["epochs"], rng)
        Y = model.one_hot(labels, 2)
        *_, (_, trained) = model.fit(
            X, Y, start, mlp["activation"], order, mlp["learning_rate"], mlp["momentum"]
        )
        A2 = model.forward(X_test, *trained, model.ACTIVATIONS[mlp["activation"]].phi)[2]
        assert np.mean(A2.argmax(axis=1) == test_labels) >= 0.97


@pytest.mark.parametrize("name", ["numpy", "by_hand", "sequential", "module"])
def test_the_committed_networks_know_the_moons(name: str) -> None:
    document = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    if document["points"]["kind"] != "moons":
        pytest.skip("params.yaml chooses other points")
    metrics = json.loads((ROOT / "metrics" / f"mlp_{name}.json").read_text(encoding="utf-8"))
    assert metrics[name]["acc"] >= 0.97
