"""The three PyTorch versions: the same as project 1, and the same as each other."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.common.errors import StageError
from stages.mlp_numpy import model, weights
from stages.mlp_numpy import train as numpy_train
from stages.mlp_numpy.series import curve
from stages.mlp_torch import (
    autograd,
    by_hand,
    compare,
    figures,
    gradients,
    module,
    sequential,
    train,
)
from stages.points import table
from stages.points.generate import generate

VERSIONS = [by_hand, sequential, module]
MLP = {
    "hidden": 8, "activation": "tanh", "epochs": 4, "batch": 16, "learning_rate": 0.1,
    "momentum": 0.9, "seed": 3,
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Small arrays are slower on two threads, and much slower where the cores are busy."""
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
def test_backward_agrees_with_autograd(
    activation: str, m: int, n: int, h: int, C: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    start = model.Weights(*(rng.normal(0, 0.7, size) for size in ((n, h), h, (h, C), C)))
    X, labels = rng.uniform(-2, 2, (m, n)), rng.integers(0, C, m)
    assert autograd.gradient_error(X, labels, start, activation) <= 1e-7


@pytest.mark.parametrize("field", model.Weights._fields)
def test_autograd_catches_a_wrong_gradient(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*arguments: object) -> model.Weights:
        right = model.backward(*arguments)  # type: ignore[arg-type]
        return right._replace(**{field: getattr(right, field) * (1 + 1e-6)})

    X, labels = generate("blobs", 30, 0.3, 3, 0)
    start = model.initial(2, 4, 3, np.random.default_rng(0))
    monkeypatch.setattr("stages.mlp_torch.autograd.backward", wrong)
    assert autograd.gradient_error(X, labels, start, "tanh") == pytest.approx(1e-6, rel=0.01)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("activation", sorted(model.ACTIVATIONS))
@pytest.mark.parametrize("classes", [2, 3])
def test_the_losses_are_project_1s_to_rounding(
    version: ModuleType, activation: str, classes: int
) -> None:
    X, labels = generate("spirals", 150, 0.05, classes, 0)
    rng = np.random.default_rng(1)
    start = model.initial(2, 12, classes, rng)
    order = list(model.schedule(len(X), 32, 40, rng))
    ours = [
        (loss, model.Weights(*(W.copy() for W in trained)))
        for loss, trained in model.fit(
            X, model.one_hot(labels, classes), start, activation, order, 0.05, 0.9
        )
    ]
    tensors = [[torch.from_numpy(rows) for rows in batches] for batches in order]
    theirs = version.fit(
        torch.from_numpy(X),
        torch.from_numpy(labels),
        tuple(map(torch.from_numpy, start)),
        activation,
        tensors,
        0.05,
        0.9,
    )
    epochs = 0
    for (loss, trained), (torch_loss, network, torch_weights) in zip(ours, theirs, strict=True):
        assert torch_loss == pytest.approx(loss, rel=1e-10)
        for W, torch_W in zip(trained, torch_weights, strict=True):
            assert np.allclose(torch_W.detach().numpy(), W, rtol=1e-9, atol=1e-12)
        A2 = model.forward(X, *trained, model.ACTIVATIONS[activation].phi)[2]
        logits = network(torch.from_numpy(X))
        assert np.allclose(logits.softmax(dim=1).detach().numpy(), A2, atol=1e-10)
        epochs += 1
    assert epochs == 40
    assert ours[-1][0] < ours[0][0]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_start_is_copied(version: ModuleType) -> None:
    X, labels = generate("moons", 20, 0.1, 2, 0)
    start = tuple(map(torch.from_numpy, model.initial(2, 4, 2, np.random.default_rng(0))))
    before = [W.clone() for W in start]
    for _ in version.fit(
        torch.from_numpy(X), torch.from_numpy(labels), start, "relu", [[torch.arange(20)]], 0.1, 0.9
    ):
        pass
    assert all(map(torch.equal, start, before))


@pytest.mark.parametrize(("one", "next_one"), list(pairwise(VERSIONS)))
def test_the_training_reads_alike(one: ModuleType, next_one: ModuleType) -> None:
    """Each file differs from the last by one idea: most of its lines are the last one's."""
    texts = [
        Path(str(version.__file__)).read_text(encoding="utf-8").splitlines()
        for version in (one, next_one)
    ]
    new = [line for line in texts[1] if line.strip() and line not in texts[0]]
    assert len(new) <= 25
    assert one.fit.__doc__ == next_one.fit.__doc__
    assert one.fit.__annotations__.keys() == next_one.fit.__annotations__.keys()


@pytest.fixture
def inputs(tmp_path: Path) -> list[str]:
    for name, seed in (("train", 1), ("test", 2)):
        table.write(tmp_path / f"{name}.csv", *generate("blobs", 60, 0.2, 3, seed))
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"mlp": MLP}), encoding="utf-8")
    return [
        f"--train={tmp_path / 'train.csv'}",
        f"--test={tmp_path / 'test.csv'}",
        f"--params={tmp_path / 'params.yaml'}",
    ]


def test_the_commands_from_training_to_pictures(
    tmp_path: Path, inputs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(stage: ModuleType, *arguments: str) -> None:
        monkeypatch.setattr("sys.argv", ["stage", *arguments])
        stage.main()

    def outputs(name: str) -> list[str]:
        return [
            f"--model={tmp_path / name}.safetensors",
            f"--live={tmp_path / name}",
            f"--metrics={tmp_path / name}.json",
        ]

    names = ["by_hand", "sequential", "module"]
    call(numpy_train, *inputs, *outputs("numpy"), f"--history={tmp_path / 'history.safetensors'}")
    for name in names:
        call(train, name, *inputs, *outputs(name))

    numpy_acc = json.loads((tmp_path / "numpy.json").read_text())["numpy"]
    ours, _ = weights.load(tmp_path / "numpy.safetensors")
    for name in names:
        assert json.loads((tmp_path / f"{name}.json").read_text())[name] == numpy_acc
        theirs, activation = weights.load(tmp_path / f"{name}.safetensors")
        assert activation == "tanh"
        for W, torch_W in zip(ours, theirs, strict=True):
            assert np.allclose(W, torch_W, rtol=1e-9)
        assert len(curve(tmp_path / name, "test/loss")) == 4

    live = ["--numpy", str(tmp_path / "numpy"), "--torch", *(str(tmp_path / n) for n in names)]
    call(compare, *live, f"--metrics={tmp_path / 'compare.json'}")
    assert json.loads((tmp_path / "compare.json").read_text())["loss_digits"] >= 12

    call(gradients, inputs[0], inputs[2], f"--metrics={tmp_path / 'gradients.json'}")
    digits = json.loads((tmp_path / "gradients.json").read_text())["gradient_digits"]
    assert digits["differences"] >= 7
    assert digits["autograd"] >= 12

    models = [str(tmp_path / f"{name}.safetensors") for name in ("numpy", *names)]
    pictures = []
    for _ in range(2):
        call(
            figures, inputs[1], *live, "--models", *models,
            f"--losses={tmp_path / 'losses.png'}", f"--boundaries={tmp_path / 'boundaries.png'}",
        )  # fmt: skip
        pictures.append([(tmp_path / f"{n}.png").read_bytes() for n in ("losses", "boundaries")])
    assert pictures[0] == pictures[1]
    assert pictures[0][0].startswith(b"\x89PNG")


def test_the_gradients_of_a_wide_network_are_compared_too(
    tmp_path: Path, inputs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"mlp": {**MLP, "hidden": 4096}}))
    monkeypatch.setattr(
        "sys.argv", ["stage", inputs[0], inputs[2], f"--metrics={tmp_path / 'm.json'}"]
    )
    gradients.main()
    digits = json.loads((tmp_path / "m.json").read_text())["gradient_digits"]
    assert digits["differences"] >= 7


def test_the_gap_is_the_largest_of_all_versions(tmp_path: Path) -> None:
    for name, losses in (("numpy", [1.0, 2.0]), ("a", [1.0, 2.5]), ("b", [0.9, 2.0])):
        folder = tmp_path / name / "plots" / "metrics" / "train"
        folder.mkdir(parents=True)
        lines = [f"{step}\t{loss}\n" for step, loss in enumerate(losses, 1)]
        (folder / "loss.tsv").write_text("step\tloss\n" + "".join(lines))
    found = compare.gaps(tmp_path / "numpy", [tmp_path / "a", tmp_path / "b"])
    assert found == pytest.approx([0.1, 0.5])


@pytest.mark.parametrize("version", ["by_hand", "sequential", "module"])
def test_a_training_that_diverges_writes_no_model(
    tmp_path: Path, inputs: list[str], monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    (tmp_path / "train.csv").write_text(
        "x1,x2,label\n" + "".join(f"{i * 1e3},{-i * 1e3},{i % 3}\n" for i in range(40))
    )
    (tmp_path / "params.yaml").write_text(
        yaml.safe_dump({"mlp": {**MLP, "activation": "relu", "learning_rate": 10.0}})
    )
    monkeypatch.setattr(
        "sys.argv",
        ["stage", version, *inputs, f"--model={tmp_path / 'model'}", f"--live={tmp_path / 'l'}",
         f"--metrics={tmp_path / 'm.json'}"],
    )  # fmt: skip
    with pytest.raises(StageError, match=r"training diverged: in epoch \d+ the loss is"):
        train.main()
    assert not (tmp_path / "model").exists()
    assert not (tmp_path / "m.json").exists()
