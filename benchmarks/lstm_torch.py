"""The PyTorch contenders of `benchmarks.lstm`: ours, and the usual recipe."""

import argparse
from collections.abc import Iterator
from itertools import islice

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

from benchmarks import worker
from benchmarks.harness import PARAMS
from benchmarks.loop import train_steps
from benchmarks.worker import Contender, Data, ShuffledStream
from stages.common.params import load_params
from stages.imdb.corpus.corpus import PAD, Corpus
from stages.imdb.corpus.params import Imdb
from stages.imdb.engine.cpu_tuning import tune_cpu
from stages.imdb.models.classifiers import LSTMClassifier
from stages.imdb.models.device import CPU, get_matmul_dtype, seed_everything
from stages.imdb.training.trainer import evaluate

EPOCHS = 4  # of our learning rate schedule, on the labelled reviews only


class Ours:
    """The code of the pipeline, with its parameters except for the sizes and the epochs."""

    def __init__(self, data: Data, seed: int) -> None:
        tune_cpu()
        params = load_params(PARAMS, "imdb", Imdb)
        names = ("hidden_size", "batch_size", "max_length")
        sizes = {name: getattr(data, name) for name in names}
        self.params = params.lstm.model_copy(update={**sizes, "epochs": EPOCHS})
        self.matmul_dtype = get_matmul_dtype(params.train.precision, CPU)
        self.data, self.seed = data, seed
        metadata = pd.DataFrame({"split": "train", "label": data.labels})
        self.corpus = Corpus([], data.ids, data.offsets, metadata, "")
        self.restart()

    def restart(self) -> None:
        self.steps = self._steps()

    def _steps(self) -> Iterator[int]:
        """Train networks one after the other."""
        data = self.data
        while True:
            seed_everything(self.seed)
            self.network = LSTMClassifier(
                data.vocab_size, data.embedding_dim, data.hidden_size, self.params.dropout
            )
            self.network.matmul_dtype = self.matmul_dtype
            yield from train_steps(
                self.network, self.corpus, data.train_indices, self.params, self.seed
            )

    def train(self, num_batches: int) -> int:
        return sum(islice(self.steps, num_batches))

    def accuracy(self) -> float:
        self.network.eval()
        accuracy = evaluate(self.network, self.corpus, self.data.val_indices)[1]
        self.network.train()
        return accuracy


class PackedLSTM(nn.Module):
    """Embedding → packed LSTM → fully connected on the last state."""

    def __init__(self, vocab_size: int, embedding_dim: int, hidden_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_dim, padding_idx=PAD)
        self.lstm = nn.LSTM(embedding_dim, hidden_size, batch_first=True)
        self.output = nn.Linear(hidden_size, 1)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(
            self.embedding(ids), lengths, batch_first=True, enforce_sorted=False
        )
        _, (h, _) = self.lstm(packed)
        return self.output(h[-1]).squeeze(-1)


class Recipe:
    """What tutorials do, with PyTorch's initial weights and Adam with its default parameters."""

    def __init__(self, data: Data, seed: int) -> None:
        self.data, self.seed = data, seed
        self.reviews = [torch.tensor(data[i][: data.max_length]) for i in range(len(data.labels))]
        self.labels = torch.tensor(data.labels, dtype=torch.float32)
        self.restart()

    def restart(self) -> None:
        torch.manual_seed(self.seed)
        data = self.data
        self.network = PackedLSTM(data.vocab_size, data.embedding_dim, data.hidden_size)
        self.optimizer = torch.optim.Adam(self.network.parameters())
        self.stream = ShuffledStream(data.train_indices, self.seed)

    def train(self, num_batches: int) -> int:
        tokens = 0
        for _ in range(num_batches):
            indices = self.stream.take(self.data.batch_size)
            ids, lengths = self._collate(indices.tolist())
            self.optimizer.zero_grad()
            loss = nn.functional.binary_cross_entropy_with_logits(
                self.network(ids, lengths), self.labels[indices]
            )
            loss.backward()
            self.optimizer.step()
            tokens += int(lengths.sum())
        return tokens

    def accuracy(self) -> float:
        correct = 0
        with torch.inference_mode():
            for indices in torch.tensor(self.data.val_indices).split(256):
                logits = self.network(*self._collate(indices.tolist()))
                correct += int(((logits > 0) == (self.labels[indices] > 0.5)).sum())
        return correct / len(self.data.val_indices)

    def _collate(self, indices: list[int]) -> tuple[Tensor, Tensor]:
        reviews = [self.reviews[i] for i in indices]
        lengths = torch.tensor([len(review) for review in reviews])
        return pad_sequence(reviews, batch_first=True, padding_value=PAD), lengths


def make_contender(data: Data, args: argparse.Namespace) -> Contender:
    torch.set_num_threads(args.threads)
    return Ours(data, args.seed) if args.contender == "ours" else Recipe(data, args.seed)


if __name__ == "__main__":
    worker.main(make_contender)
