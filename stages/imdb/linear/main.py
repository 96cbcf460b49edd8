"""Stage: fit the linear model and predict the test reviews and the unlabelled reviews.

The model is the baseline. Its predictions of the unlabelled reviews are targets for the networks.
"""

import argparse
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from stages.common.errors import UserError, run_main
from stages.common.params import load_params
from stages.common.progress import log
from stages.imdb.corpus.corpus import (
    Indices,
    group_train_val_split,
    read_classes,
    read_data_name,
    text_noun,
)
from stages.imdb.corpus.params import Imdb
from stages.imdb.corpus.predictions import Predictions, save_predictions
from stages.imdb.linear.model import build_linear_model, count_parameters, fit_model, precision
from stages.imdb.linear.serialization import save_linear

BATCH_ROWS = 5_000  # texts in memory at a time


def iter_texts(path: Path, indices: Indices) -> Iterator[list[str]]:
    """Yield the texts of these rows of a Parquet file (ascending), at most BATCH_ROWS at a time."""
    start = 0
    for batch in pq.ParquetFile(path).iter_batches(BATCH_ROWS, columns=["text"]):
        low, high = np.searchsorted(indices, [start, start + len(batch)])
        if high > low:
            yield batch.column("text").take(pa.array(indices[low:high] - start)).to_pylist()
        start += len(batch)


def predict_proba(
    model: Pipeline, path: Path, indices: Indices, num_classes: int
) -> npt.NDArray[np.float32]:
    """Return the class probabilities of these rows of a Parquet file, float32 [rows, classes]."""
    probabilities = np.empty((len(indices), num_classes), np.float32)
    start = 0
    for texts in iter_texts(path, indices):
        probabilities[start : start + len(texts)] = model.predict_proba(texts)
        start += len(texts)
    return probabilities


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--reviews", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True, help="folder to write")
    parser.add_argument("--predictions", type=Path, required=True, help="of the test reviews")
    parser.add_argument("--unlabelled", type=Path, required=True, help="predictions of those")
    args = parser.parse_args()
    params = load_params(args.params, "imdb", Imdb)

    try:
        table = pq.read_table(
            args.reviews, columns=["split", "group", "label"], read_dictionary=["split", "group"]
        )
    except (pa.ArrowException, FileNotFoundError) as error:
        raise UserError(
            f"{args.reviews}: not a table of reviews ({error}); run dvc repro"
        ) from None
    metadata = table.to_pandas()
    data_name, classes = read_data_name(table.schema), read_classes(table.schema)
    train_indices, _ = group_train_val_split(metadata, params.validation)

    log(f"linear: logistic regression on {len(train_indices):,} {text_noun(data_name)}s")
    texts = chain.from_iterable(iter_texts(args.reviews, train_indices))
    labels = metadata["label"].to_numpy()[train_indices]
    model = build_linear_model(params.linear, len(classes))
    with threadpool_limits(1):  # the last bits of a long sum depend on the number of threads
        fit_model(model, texts, labels)
    save_linear(model, data_name, classes, args.model)
    for split, path in (("test", args.predictions), ("unlabelled", args.unlabelled)):
        indices = np.flatnonzero(metadata["split"] == split)
        predictions = Predictions(
            model="linear",
            data_name=data_name,
            classes=list(classes),
            num_parameters=count_parameters(model),
            seeds=[0],
            precision=precision(model),
            probabilities=predict_proba(model, args.reviews, indices, len(classes))[None],
        )
        save_predictions(predictions, path)


if __name__ == "__main__":
    run_main(main)
