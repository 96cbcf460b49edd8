"""The Keras contender of `benchmarks.lstm`, as Keras' own examples do it.

Runs in an environment of its own; KERAS_BACKEND says on what.
"""

import argparse
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.turns import Data, Order, serve


class Recipe:
    """`pad_sequences` to the window, masked embedding, LSTM, sigmoid; Adam, float32, `fit`."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self.X = keras.utils.pad_sequences(
            [data[i] for i in range(len(data.labels))], maxlen=data.window
        )
        self.labels = data.labels.astype(np.float32)
        keras.utils.set_random_seed(1)
        self.model: Any = keras.Sequential(
            [
                keras.Input((data.window,), dtype="int32"),
                keras.layers.Embedding(data.vocabulary, data.embedding_dim, mask_zero=True),
                keras.layers.LSTM(data.hidden),
                keras.layers.Dense(1, activation="sigmoid"),
            ]
        )
        self.model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
        self.model.optimizer.build(self.model.trainable_variables)
        # To begin anew without compiling anew.
        self.variables = [*self.model.variables, *self.model.optimizer.variables]
        self.initial = [np.array(variable) for variable in self.variables]
        self.order = Order(data.train, 1)

    def restart(self) -> None:
        for variable, value in zip(self.variables, self.initial, strict=True):
            variable.assign(value)
        self.order = Order(self.data.train, 1)

    def learn(self, batches: int) -> int:
        places = self.order.take(batches * self.data.batch)
        self.model.fit(
            self.X[places],
            self.labels[places],
            batch_size=self.data.batch,
            shuffle=False,  # they are already
            verbose=0,
        )
        return int(self.data.lengths[places].sum())

    def accuracy(self) -> float:
        places = self.data.held_out
        ratings = self.model.predict(self.X[places], batch_size=256, verbose=0)[:, 0]
        return float(np.mean((ratings > 0.5) == (self.labels[places] > 0.5)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    args = parser.parse_args()
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(args.threads)
        tf.config.threading.set_inter_op_parallelism_threads(args.threads)
    serve(Recipe, args.data)


if __name__ == "__main__":
    main()
