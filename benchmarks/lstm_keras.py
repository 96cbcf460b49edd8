"""The Keras contender of `benchmarks.lstm`, written like Keras' own examples.

It runs in an environment of its own. KERAS_BACKEND selects the backend.
"""

import argparse
from typing import Any

import keras
import numpy as np

from benchmarks import worker
from benchmarks.worker import Contender, Data, ShuffledStream


class Recipe:
    """`pad_sequences`, masked embedding, LSTM, sigmoid; Adam, float32, `fit`."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self.X = keras.utils.pad_sequences(
            [data[i] for i in range(len(data.labels))], maxlen=data.max_length
        )
        self.labels = data.labels.astype(np.float32)
        keras.utils.set_random_seed(1)
        self.model: Any = keras.Sequential(
            [
                keras.Input((data.max_length,), dtype="int32"),
                keras.layers.Embedding(data.vocab_size, data.embedding_dim, mask_zero=True),
                keras.layers.LSTM(data.hidden_size),
                keras.layers.Dense(1, activation="sigmoid"),
            ]
        )
        self.model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
        self.model.optimizer.build(self.model.trainable_variables)
        # Restarting from these values does not compile the model again.
        self.variables = [*self.model.variables, *self.model.optimizer.variables]
        self.initial = [np.array(variable) for variable in self.variables]
        self.stream = ShuffledStream(data.train_indices, 1)

    def restart(self) -> None:
        for variable, value in zip(self.variables, self.initial, strict=True):
            variable.assign(value)
        self.stream = ShuffledStream(self.data.train_indices, 1)

    def train(self, num_batches: int) -> int:
        indices = self.stream.take(num_batches * self.data.batch_size)
        self.model.fit(
            self.X[indices],
            self.labels[indices],
            batch_size=self.data.batch_size,
            shuffle=False,  # the stream is shuffled
            verbose=0,
        )
        return int(self.data.lengths[indices].sum())

    def accuracy(self) -> float:
        indices = self.data.val_indices
        probabilities = self.model.predict(self.X[indices], batch_size=256, verbose=0)[:, 0]
        return float(np.mean((probabilities > 0.5) == (self.labels[indices] > 0.5)))


def make_contender(data: Data, args: argparse.Namespace) -> Contender:
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(args.threads)
        tf.config.threading.set_inter_op_parallelism_threads(args.threads)
    return Recipe(data)


if __name__ == "__main__":
    worker.main(make_contender)
