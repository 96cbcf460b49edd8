"""The points: data sets, CSV files, parameters, and the stage."""

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.common.errors import UserError
from stages.common.params import load_params
from stages.points import main
from stages.points.csv_io import read_points, read_points_with_class_names, write_points
from stages.points.generate import generate, split
from stages.points.params import Points

PARAMS = {
    "dataset": "moons", "n_samples": 60, "noise": 0.1, "test_size": 0.5, "n_classes": 2, "seed": 1,
}  # fmt: skip


def write_params(path: Path, **changes: object) -> Path:
    path.write_text(json.dumps({"points": {**PARAMS, **changes}}), encoding="utf-8")
    return path


@settings(deadline=None)
@given(
    dataset=st.sampled_from(["moons", "circles", "blobs", "spirals", "xor"]),
    n_samples=st.integers(20, 80),
    n_classes=st.integers(2, 6),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_data_set_has_all_classes_and_depends_only_on_the_seed(
    dataset: str, n_samples: int, n_classes: int, seed: int
) -> None:
    n_classes = n_classes if dataset in ("blobs", "spirals") else 2
    X, labels = generate(dataset, n_samples, 0.1, n_classes, seed)
    assert X.shape == (n_samples, 2)
    assert X.dtype == np.float64
    assert set(labels) == set(range(n_classes))
    assert np.isfinite(X).all()
    X_again, labels_again = generate(dataset, n_samples, 0.1, n_classes, seed)
    assert np.array_equal(X, X_again)
    assert np.array_equal(labels, labels_again)


def test_the_class_of_xor_is_the_sign_of_the_product() -> None:
    X, labels = generate("xor", 500, 0.0, 2, 3)
    assert np.array_equal(labels == 1, X[:, 0] * X[:, 1] < 0)


def test_spirals_lie_on_their_arms() -> None:
    X, labels = generate("spirals", 300, 0.0, 3, 3)
    radius = np.hypot(*X.T)
    turns = np.arctan2(X[:, 1], X[:, 0]) / (2 * np.pi) - 0.75 * radius - labels / 3
    assert np.allclose(turns, np.round(turns))
    assert radius.max() <= 1


def test_an_unknown_data_set_is_refused() -> None:
    with pytest.raises(ValueError, match="torus"):
        generate("torus", 20, 0.1, 2, 0)


def test_split_keeps_every_point_once_and_the_class_proportions() -> None:
    X, labels = generate("moons", 200, 0.1, 2, 0)
    (X_train, train_labels), (X_test, test_labels) = split(X, labels, 0.25, 0)
    assert len(X_test) == 50
    assert np.bincount(test_labels).tolist() == [25, 25]
    assert np.bincount(train_labels).tolist() == [75, 75]
    both = np.concatenate([X_train, X_test])
    assert np.array_equal(np.sort(both, axis=0), np.sort(X, axis=0))


def test_points_are_read_as_they_were_written(tmp_path: Path) -> None:
    X, labels = generate("spirals", 90, 0.1, 3, 0)
    write_points(tmp_path / "points.csv", X, labels)
    X_read, labels_read, n_classes = read_points(tmp_path / "points.csv")
    assert np.abs(X_read - X).max() <= 5.001e-7
    assert np.array_equal(labels_read, labels)
    assert n_classes == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("x1,x2,label\n", "no points, only a header"),
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
        ('x1,x2,label\n"0,5",0,0\n0,0,1\n', "'0,5' is not a finite number (decimals need a point)"),
        ("x1,x2,label\n0,0,0\n0,0\n", "point 2, column label: '' is not a finite number"),
        ('x1,x2,label\n0,0,0\n"1,1,0\n', "not a CSV file"),
        ("x1,x2,label,Label\n0,0,0,1\n", "more than one column label; rename or remove one"),
        ("x1,x2,label\n0,0,0,0,0\n0,0,0\n", "not a CSV file"),
    ],
)
def test_a_wrong_table_is_refused_with_the_reason(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "points.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_points(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


TEXT = "x1,x2,label\n0.5,-1,0\n2,0.25,1\n"


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (TEXT.encode(), ["class 0", "class 1"]),
        (TEXT.encode("utf-8-sig"), ["class 0", "class 1"]),  # with a byte order mark
        (TEXT.encode("utf-16"), ["class 0", "class 1"]),
        (TEXT.replace("\n", "\r\n").encode(), ["class 0", "class 1"]),
        (TEXT.replace(",", " , ").encode(), ["class 0", "class 1"]),
        (TEXT.replace(",", "\t").encode(), ["class 0", "class 1"]),
        (TEXT.replace(",", ";").replace(".", ",").encode(), ["class 0", "class 1"]),
        (b",x1,x2,label\n0,0.5,-1,0\n1,2,0.25,1\n", ["class 0", "class 1"]),  # with an index
        (b"x1,x2,label\n0.5,-1,0.0\n2,0.25,1.0\n", ["class 0", "class 1"]),
        (b"x1,x2,label\n0.5,-1,-1\n2,0.25,1\n", ["class -1", "class 1"]),
        (b"x1,x2,label\n0.5,-1,9\n2,0.25,10\n", ["class 9", "class 10"]),
        (b"x1,x2,label\n0.5,-1,False\n2,0.25,True\n", ["False", "True"]),
        ("x1,x2,label\n0.5,-1,blau\n2,0.25,grün\n".encode(), ["blau", "grün"]),
    ],
)
def test_labels_encodings_and_separators_of_other_programs_are_read(
    tmp_path: Path, content: bytes, names: list[str]
) -> None:
    path = tmp_path / "points.csv"
    path.write_bytes(content)
    (tmp_path / "points.csv.gz").write_bytes(gzip.compress(content))
    for file in (path, tmp_path / "points.csv.gz"):
        X, labels, found = read_points_with_class_names(file)
        assert X.tolist() == [[0.5, -1.0], [2.0, 0.25]]
        assert labels.tolist() == [0, 1]
        assert found == names


def test_classes_are_in_the_order_of_their_labels(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    for values, order in (("10 9 9.5 9", [2, 0, 1, 0]), ("b a 10 a", [2, 1, 0, 1])):
        lines = [f"0,0,{value}\n" for value in values.split()]
        path.write_text("x1,x2,label\n" + "".join(lines))
        assert read_points_with_class_names(path)[1].tolist() == order


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x1,x2,label\n0,0,a\n0,0,\n", "point 2, column label: '' is no label"),
        ("x1,x2,label\n0,0,a\n0,0\n", "point 2, column label: '' is no label"),
        ("x1,x2,label\n0,0,NaN\n0,0,1\n", "point 1, column label: 'NaN' is no label"),
        ("x1,x2,label\n0,0,a\n0,0,a\n", "all points have the same label"),
        ("x1,x2,label\n0,zero,a\n0,0,b\n", "point 1, column x2: 'zero' is not a finite number"),
        ("x1,x2\n0,0\n", "no column label; found x1, x2"),
    ],
)
def test_a_table_without_classes_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "points.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=re.escape(f"{path}: ")) as caught:
        read_points_with_class_names(path)
    assert message in str(caught.value)


def test_a_damaged_gzip_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "points.csv.gz"
    for content in (b"x1,x2,label\n", gzip.compress(TEXT.encode())[:-12]):
        path.write_bytes(content)
        with pytest.raises(UserError, match="not a CSV file"):
            read_points(path)


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_bytes(b"x1,x2,label\n\xff\xfe,0,0\n")
    with pytest.raises(UserError, match="not a CSV file"):
        read_points(path)


def test_a_test_label_without_training_points_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    path.write_text("x1,x2,label\n0,0,0\n0,0,2\n", encoding="utf-8")
    with pytest.raises(UserError, match="'2' is not a class; expected an integer from 0 to 1"):
        read_points(path, n_classes=2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_classes": 3}, "points.n_classes = 3: moons has 2 classes"),
        ({"n_samples": 20, "test_size": 0.05}, "points.test_size = 0.05: 19 training"),
        ({"dataset": "blobs", "n_classes": 6, "n_samples": 20, "test_size": 0.75},
         "points.test_size = 0.75: 5 training and 15 test points"),
    ],
)  # fmt: skip
def test_parameters_that_do_not_fit_each_other_are_named(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        load_params(write_params(tmp_path / "params.yaml", **changes), "points", Points)
    assert message in str(caught.value)


def test_the_stage_writes_the_same_bytes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = write_params(tmp_path / "params.yaml", dataset="spirals", n_classes=3)
    contents = []
    for name in ("first", "second"):
        train, test = tmp_path / name / "train.csv", tmp_path / name / "test.csv"
        monkeypatch.setattr(
            "sys.argv", ["main", f"--train={train}", f"--test={test}", f"--params={params}"]
        )
        main.main()
        contents.append((train.read_bytes(), test.read_bytes()))
    assert contents[0] == contents[1]
    X, labels, n_classes = read_points(tmp_path / "first" / "train.csv")
    assert (len(X), n_classes) == (30, 3)
    assert np.bincount(labels).tolist() == [10, 10, 10]
