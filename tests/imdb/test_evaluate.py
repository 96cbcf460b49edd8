"""Stages `evaluate` and `compare` through their command lines."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.common.errors import UserError
from stages.imdb.corpus.corpus import schema_metadata, write_ids, write_vocab
from stages.imdb.corpus.predictions import Predictions, save_predictions
from stages.imdb.evaluation import compare, evaluate
from tests.imdb.call import call

LENGTHS = [99, 100, 149, 500]
LABELS = [0, 0, 1, 1]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A corpus of four test reviews, after one training review."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    lengths = [7, *LENGTHS]
    write_vocab(["<pad>", "<unk>", "a"], folder)
    write_ids([np.full(sum(lengths), 2, np.int32)], folder)
    np.save(folder / "offsets.npy", np.cumsum([0, *lengths]))
    table = pa.table(
        {
            "id": [f"review {i}" for i in range(5)],
            "split": ["train", "test", "test", "test", "test"],
            "group": [""] * 5,
            "stars": pa.array([1, 1, 4, 7, 10], pa.int8()),
            "label": pa.array([0, *LABELS], pa.int8()),
        }
    )
    schema = table.schema.with_metadata(schema_metadata("made up", ["bad", "good"]))
    pq.write_table(table.cast(schema), folder / "metadata.parquet")
    return folder


def save(path: Path, model: str, positive: list[list[float]], data_name: str = "made up") -> Path:
    """Save predictions from the probabilities of class "good" by each seed."""
    array = np.array(positive, np.float32)
    probabilities = np.stack([1 - array, array], axis=-1)
    seeds = [*range(1, 1 + len(positive))]
    save_predictions(
        Predictions(model, data_name, ["bad", "good"], 10, seeds, "bfloat16", probabilities), path
    )
    return path


def test_evaluate_writes_metrics_and_curves(
    tmp_path: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save(tmp_path / "predictions", "lstm", [[0.1, 0.6, 0.8, 0.9], [0.1, 0.2, 0.8, 0.9]])
    out = tmp_path / "out"
    call(
        evaluate.main, "--predictions", path, "--corpus", corpus,
        "--metrics", out / "lstm.json", "--curves", out,
    )  # fmt: skip
    assert capsys.readouterr().err.startswith("lstm: accuracy 87.50% (")
    metrics = json.loads((out / "lstm.json").read_text("utf-8"))["lstm"]
    assert (metrics["acc"], metrics["auc"], metrics["precision"]) == (0.875, 1, "bfloat16")
    summary = json.loads((out / "summary.json").read_text("utf-8"))
    assert summary["acc_by_seed"] == [0.75, 1]
    assert (summary["data"], summary["parameters"], summary["reviews"]) == ("made up", 10, 4)

    # The tables are about the first seed, which misclassifies the second review.
    confusion = pd.read_csv(out / "confusion.csv")
    assert confusion.to_numpy().tolist() == [
        ["bad", "bad", 1], ["bad", "good", 1], ["good", "bad", 0], ["good", "good", 2],
    ]  # fmt: skip
    assert list(confusion.columns) == ["actual", "predicted", "reviews"]
    by_length = pd.read_csv(out / "by_length.csv").set_index("group")
    assert by_length["accuracy"].to_dict() == {"0–99": 1, "100–149": 0.5, "500+": 1}
    by_stars = pd.read_csv(out / "by_stars.csv").set_index("group")
    assert by_stars["accuracy"].to_dict() == {1: 1, 4: 0, 7: 1, 10: 1}
    calibration = pd.read_csv(out / "calibration.csv")
    assert list(calibration.columns) == ["probability", "fraction_positive", "reviews"]
    assert (
        len(pd.read_csv(out / "roc.csv")) == len(pd.read_csv(out / "precision_recall.csv")) == 201
    )


def compare_args(folder: Path, corpus: Path) -> list[object]:
    """Return the arguments of stage `compare` for predictions in `folder`."""
    args: list[object] = ["--predictions", folder, "--corpus", corpus]
    args += ["--metrics", folder / "gain.json"]
    for table in ("results", "gains", "hardest"):
        args += [f"--{table}", folder / f"{table}.csv"]
    return args


def test_compare_writes_results_gains_and_errors(tmp_path: Path, corpus: Path) -> None:
    save(tmp_path / "linear.safetensors", "linear", [[0.1, 0.6, 0.8, 0.9]])
    save(tmp_path / "mean.safetensors", "mean", [[0.6, 0.6, 0.8, 0.9], [0.1, 0.7, 0.8, 0.9]])
    save(tmp_path / "lstm.safetensors", "lstm", [[0.1, 0.6, 0.8, 0.9], [0.1, 0.6, 0.8, 0.9]])
    call(compare.main, *compare_args(tmp_path, corpus))
    results = pd.read_csv(tmp_path / "results.csv").set_index("model")
    assert results["accuracy"].to_dict() == {
        "linear": 0.75, "mean": 0.625, "lstm": 0.75, "lstm_ensemble": 0.75,
        "lstm_linear_ensemble": 0.75,
    }  # fmt: skip
    assert results["parameters"].tolist() == [10, 10, 10, 20, 30]
    gain = json.loads((tmp_path / "gain.json").read_text("utf-8"))
    assert gain["gain"]["points"] == 12.5
    # The LSTM of each seed makes the same errors as the linear model.
    assert gain["gain_over_linear"] == {"points": 0, "low": 0, "high": 0}
    assert gain["ensemble"] == {"acc": 0.75}
    assert pd.read_csv(tmp_path / "gains.csv")["seed"].tolist() == ["1", "2", "all"]
    assert pd.read_csv(tmp_path / "hardest.csv")["id"].tolist() == ["review 2"]


@pytest.mark.parametrize(
    ("seeds", "data_name", "message"),
    [
        (1, "made up", r"seeds differ: mean \[1\], lstm \[1, 2\]; run dvc repro"),
        (2, "other", "different data: .*mean 'other', lstm 'made up'; run dvc repro"),
    ],
)
def test_compare_refuses_predictions_that_do_not_match(
    tmp_path: Path, corpus: Path, seeds: int, data_name: str, message: str
) -> None:
    positive = [[0.1, 0.6, 0.8, 0.9]]
    save(tmp_path / "linear.safetensors", "linear", positive)
    save(tmp_path / "mean.safetensors", "mean", positive * seeds, data_name)
    save(tmp_path / "lstm.safetensors", "lstm", positive * 2)
    with pytest.raises(UserError, match=message):
        call(compare.main, *compare_args(tmp_path, corpus))
    assert not (tmp_path / "results.csv").exists()
