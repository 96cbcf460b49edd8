"""The points: what is made, what is refused, and the stage commands on files."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.common.errors import StageError
from stages.common.params import load
from stages.points import figures, make, table
from stages.points.generate import generate, split
from stages.points.params import Points

GOOD = {"kind": "moons", "size": 60, "noise": 0.1, "test": 0.5, "classes": 2, "seed": 1}


def write_params(path: Path, **changes: object) -> Path:
    path.write_text(yaml.safe_dump({"points": {**GOOD, **changes}}), encoding="utf-8")
    return path


@settings(deadline=None)
@given(
    kind=st.sampled_from(["moons", "circles", "blobs", "spirals", "xor"]),
    size=st.integers(20, 80),
    classes=st.integers(2, 6),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_kind_has_size_points_of_all_classes_again_the_same(
    kind: str, size: int, classes: int, seed: int
) -> None:
    classes = classes if kind in ("blobs", "spirals") else 2
    X, labels = generate(kind, size, 0.1, classes, seed)
    assert X.shape == (size, 2)
    assert X.dtype == np.float64
    assert set(labels) == set(range(classes))
    assert np.isfinite(X).all()
    again, labels_again = generate(kind, size, 0.1, classes, seed)
    assert np.array_equal(X, again)
    assert np.array_equal(labels, labels_again)


def test_xor_without_noise_is_the_sign_of_the_product() -> None:
    X, labels = generate("xor", 500, 0.0, 2, 3)
    assert np.array_equal(labels == 1, X[:, 0] * X[:, 1] < 0)


def test_spirals_without_noise_lie_on_their_arms() -> None:
    X, labels = generate("spirals", 300, 0.0, 3, 3)
    radius = np.hypot(*X.T)
    turned = np.arctan2(X[:, 1], X[:, 0]) / (2 * np.pi) - 0.75 * radius - labels / 3
    assert np.allclose(turned, np.round(turned))
    assert radius.max() <= 1


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="torus"):
        generate("torus", 20, 0.1, 2, 0)


def test_the_split_keeps_every_point_once_and_the_proportions() -> None:
    X, labels = generate("moons", 200, 0.1, 2, 0)
    (X_train, train_labels), (X_test, test_labels) = split((X, labels), 0.25, 0)
    assert len(X_test) == 50
    assert np.bincount(test_labels).tolist() == [25, 25]
    assert np.bincount(train_labels).tolist() == [75, 75]
    together = np.concatenate([X_train, X_test])
    assert np.array_equal(np.sort(together, axis=0), np.sort(X, axis=0))


def test_a_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    X, labels = generate("spirals", 90, 0.1, 3, 0)
    table.write(tmp_path / "points.csv", X, labels)
    X_read, labels_read, classes = table.read(tmp_path / "points.csv")
    assert np.abs(X_read - X).max() <= 5.001e-7
    assert np.array_equal(labels_read, labels)
    assert classes == 3


def test_other_columns_and_another_order_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("label,name,x2,x1\n1,a,2.0,1e0\n0,b,4,3\n", encoding="utf-8")
    X, labels, classes = table.read(path)
    assert X.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert labels.tolist() == [1, 0]
    assert classes == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("x1,x2,label\n", "no points"),
        ("x1,y,label\n0,0,0\n", "no column x2; found x1, y, label"),
        ("x1,x2,label\n0,0,0\nnan,0,1\n", "point 2, column x1: 'nan' is not a finite number"),
        ("x1,x2,label\n0,inf,0\n0,0,1\n", "point 1, column x2: 'inf' is not a finite number"),
        ("x1,x2,label\n0,0,0\n0,,1\n", "point 2, column x2: '' is not a finite number"),
        ("x1,x2,label\n0,0,0\n0,0,cat\n", "point 2, column label: 'cat' is not a finite number"),
        ("x1,x2,label\n0,0,0\n0,0,0.5\n", "point 2, column label: '0.5' is not a class"),
        ("x1,x2,label\n0,0,-1\n0,0,1\n", "point 1, column label: '-1' is not a class"),
        ("x1,x2,label\n0,0,0\n0,0,7\n", "column label: '7' is not a class"),
        ("x1,x2,label\n0,0,0\n1,1,0\n", "all points are of class 0"),
        ("x1,x2,label\n0,0,0\n1,1,2\n2,2,2\n", "no point of class 1"),
        ('x1,x2,label\n0,0,0\n"1,1,0\n', "not a CSV file"),
        ("x1,x2,label\n0,0,0,0,0\n0,0,0\n", "not a CSV file"),
    ],
)
def test_a_bad_table_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "points.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StageError) as caught:
        table.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_bytes(b"x1,x2,label\n\xff\xfe,0,0\n")
    with pytest.raises(StageError, match="not a CSV file"):
        table.read(path)


def test_a_test_label_that_training_did_not_have_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    path.write_text("x1,x2,label\n0,0,0\n0,0,2\n", encoding="utf-8")
    with pytest.raises(StageError, match="'2' is not a class; expected an integer from 0 to 1"):
        table.read(path, classes=2)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"kind": "torus"}, "points.kind = 'torus'"),
        ({"size": 10**9}, "points.size = 1000000000"),
        ({"noise": -0.1}, "points.noise = -0.1"),
        ({"test": 1.0}, "points.test = 1.0"),
        ({"classes": 1}, "points.classes = 1"),
        ({"classes": 3}, "points.classes = 3: Value error, moons has 2 classes"),
        ({"seed": -1}, "points.seed = -1"),
        ({"nose": 1}, "points.nose is not a known key"),
    ],
)
def test_bad_parameters_are_refused_by_name(
    tmp_path: Path, changes: dict[str, object], key: str
) -> None:
    with pytest.raises(StageError) as caught:
        load(write_params(tmp_path / "params.yaml", **changes), "points", Points)
    assert key in str(caught.value)


def test_the_commands_make_and_draw_points_bitwise_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = write_params(tmp_path / "params.yaml", kind="spirals", classes=3)
    bytes_of = []
    for name in ("first", "second"):
        folder = tmp_path / name
        tables = ["--train", str(folder / "train.csv"), "--test", str(folder / "test.csv")]
        monkeypatch.setattr("sys.argv", ["make", *tables, "--params", str(params)])
        make.main()
        monkeypatch.setattr("sys.argv", ["figures", *tables, "--out", str(folder / "points.png")])
        figures.main()
        assert (folder / "points.png").read_bytes().startswith(b"\x89PNG")
        bytes_of.append([path.read_bytes() for path in sorted(folder.iterdir())])
    assert len(bytes_of[0]) == 3
    assert bytes_of[0] == bytes_of[1]
    X, labels, classes = table.read(tmp_path / "first" / "train.csv")
    assert (len(X), classes) == (30, 3)
    assert np.bincount(labels).tolist() == [10, 10, 10]
