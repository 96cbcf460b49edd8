"""The command that trains on the points of a CSV file and draws the result."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stages.common.errors import UserError
from stages.mlp_figures import draw_csv, points
from stages.mlp_figures.draw_csv import load_and_split, standardize
from stages.mlp_figures.points import same_scale
from stages.mlp_numpy.model import forward
from tests.clone import ROOT

PICTURES = {"input_data.png", "loss_accuracy.png", "boundary.png"}


def write_points(path: Path, scale: tuple[float, float], labels: tuple[str, ...]) -> Path:
    """Write 120 points in a ring of clusters, one for each label."""
    rng = np.random.default_rng(0)
    n = np.arange(120) % len(labels)
    angle = 2 * np.pi * n / len(labels)
    X = np.column_stack([np.cos(angle), np.sin(angle)]) + 0.2 * rng.standard_normal((120, 2))
    lines = [f"{a},{b},{labels[c]}\n" for (a, b), c in zip(X * scale, n, strict=True)]
    path.write_text("x1,x2,label\n" + "".join(lines), encoding="utf-8")
    return path


def draw(monkeypatch: pytest.MonkeyPatch, path: Path, *options: str) -> Path:
    out = path.with_suffix("")
    params = f"--params={ROOT / 'params.yaml'}"
    monkeypatch.setattr("sys.argv", ["draw_csv", str(path), f"--out={out}", params, *options])
    draw_csv.main()
    return out


@pytest.mark.parametrize(
    ("scale", "labels"),
    [((1000, 1000), ("red", "green", "blue")), ((1e6, 0.01), ("False", "True"))],
)
def test_any_units_and_labels_are_learned_and_drawn(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scale: tuple[float, float],
    labels: tuple[str, ...],
) -> None:
    path = write_points(tmp_path / "mine.csv", scale, labels)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "params.yaml").touch()
    out = draw(monkeypatch, path, "--epochs=20", "--test-size=0.25", "--seed=3")
    assert (out / "params.yaml").exists(), "other files in the folder stay"
    accuracy = json.loads((out / "accuracy.json").read_text())["mine"]["acc"]
    assert accuracy > 0.95
    assert {file.name for file in out.glob("*.png")} == PICTURES
    for name in PICTURES:
        with Image.open(out / name) as image:
            assert image.width == 1002
            colors = image.convert("RGB").getcolors(maxcolors=2**24)
            assert colors is not None
            assert len(colors) > 50


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("label", "shown"),
    [
        (r"$\foo_$", r"\$\foo_\$"),
        ("_neg", " _neg"),
        ("日本", "class 2"),
        ("a very long name of a class", "a very long nam…"),
    ],
)
def test_any_name_of_a_class_is_drawn_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, label: str, shown: str
) -> None:
    seen: list[list[str]] = []

    def points_figure(*args: Any) -> Any:
        seen.append(args[-1])
        return points.points_figure(*args)

    monkeypatch.setattr(draw_csv, "points_figure", points_figure)
    # With three classes, both pictures have a legend; with two, one has a colorbar.
    others = ("zzz", "zzzz") if "$" not in label else ("zzz",)
    path = write_points(tmp_path / "mine.csv", (1, 1), (label, *others))
    out = draw(monkeypatch, path, "--epochs=2")
    assert {file.name for file in out.glob("*.png")} == PICTURES
    assert sorted(seen.pop()) == sorted([shown, *others])


def test_the_names_of_the_columns_may_be_in_capitals(tmp_path: Path) -> None:
    path = write_points(tmp_path / "mine.csv", (1, 1), ("a", "b"))
    expected, names = load_and_split(path, 0.5, 0)
    path.write_text(path.read_text("utf-8").replace("x1,x2,label", "X1, X2 ,Label"), "utf-8")
    data, found = load_and_split(path, 0.5, 0)
    assert np.array_equal(data.X, expected.X)
    assert found == names


def test_the_picture_shows_the_boundary_that_was_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights for points in their own units give the accuracy of the standardized points."""
    drawn = {}
    original = draw_csv.boundary_figure

    def boundary_figure(*args: object) -> object:
        drawn["args"] = args
        return original(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(draw_csv, "boundary_figure", boundary_figure)
    path = write_points(tmp_path / "mine.csv", (1e4, 3), ("a", "b", "c"))
    out = draw(monkeypatch, path, "--epochs=5", "--activation=relu", "--hidden-size=4")
    weights, activation, X, labels, names = drawn["args"]
    assert weights.W1.shape == (2, 4)  # type: ignore[attr-defined]
    assert activation == "relu"
    assert names == ["a", "b", "c"]
    phi = draw_csv.ACTIVATIONS["relu"].phi
    A2 = forward(X, *weights, phi)[2]  # type: ignore[call-arg,arg-type,misc]
    accuracy = float(np.mean(A2.argmax(axis=1) == labels))
    assert round(accuracy, 4) == json.loads((out / "accuracy.json").read_text())["mine"]["acc"]
    assert np.ptp(X[:, 0]) > 1e4  # type: ignore[index]


def test_a_constant_coordinate_is_only_shifted(tmp_path: Path) -> None:
    path = write_points(tmp_path / "mine.csv", (0, 5), ("a", "b"))
    data, _, std = standardize(load_and_split(path, 0.5, 0)[0])
    assert std[0] == 1
    assert not data.X[:, 0].any()
    assert data.X[:, 1].std() == pytest.approx(1)
    assert not same_scale(data.X)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["0,0,a"], "all points have the same label"),
        (["0,0,a", "1,1,b", "0,1,b"], "column label: a has only one point; each class needs"),
        ([f"0,{i},{i % 12}" for i in range(48)], "12 different labels; the pictures have colors"),
        (["0,0,a", "1,1,b", "1,0,c"] * 2, "6 points cannot be split"),
        (['"0,5",1,a', '"0,25",0,b'], "'0,5' is not a finite number (decimals need a point)"),
    ],
)
def test_points_that_cannot_be_drawn_are_refused(
    tmp_path: Path, lines: list[str], message: str
) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("x1,x2,label\n" + "\n".join(lines) + "\n")
    with pytest.raises(UserError) as caught:
        load_and_split(path, 0.2, 0)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--hidden-size=0", "--hidden-size: Input should be greater than or equal to 1"),
        ("--epochs=many", "--epochs: invalid int value"),
        ("--test-size=1", "--test-size: expected a fraction from 0.05 to 0.95, found 1.0"),
        ("--activation=gelu", "--activation: invalid choice: 'gelu'"),
    ],
)
def test_a_wrong_option_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    option: str,
    message: str,
) -> None:
    with pytest.raises(SystemExit):
        draw(monkeypatch, tmp_path / "mine.csv", option)
    assert message in capsys.readouterr().err
