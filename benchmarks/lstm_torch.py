"""The PyTorch contenders of `benchmarks.lstm`: ours, and the recipe that everyone uses."""

import argparse
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

from benchmarks.turns import Contender, Data, Order, serve
from stages.common import params
from stages.imdb.device import deterministic, keep_memory
from stages.imdb.fit import validate
from stages.imdb.models import PAD, LSTMClassifier
from stages.imdb.params import Imdb
from stages.imdb.reviews import Reviews
from stages.imdb.train import phases
from stages.imdb.training import Gradient, Objective, Step, begin, targets_of, train

EPOCHS = 4  # of our learning rate's schedule, on the labelled reviews alone


class Ours:
    """The code of the pipeline as it is, with its parameters but for the epochs."""

    def __init__(self, data: Data, parameters: Path, seed: int) -> None:
        keep_memory()
        self.data, self.seed, self.tokens = data, seed, 0
        settings = params.load(parameters, "imdb", Imdb)
        sizes = {"hidden": data.hidden, "batch": data.batch, "window": data.window}
        lstm = settings.lstm.model_copy(update={**sizes, "epochs": EPOCHS})
        self.settings = settings.model_copy(update={"lstm": lstm})
        index = pd.DataFrame({"split": "train", "label": data.labels})
        self.reviews = Reviews([], data.ids, data.offsets, index, "")
        self.restart()

    def restart(self) -> None:
        self.steps = self._steps()

    def _steps(self) -> Iterator[Step]:
        """One training after another."""
        data = self.data
        targets = targets_of(self.reviews)
        while True:
            deterministic(self.seed)
            self.network = LSTMClassifier(data.vocabulary, data.embedding_dim, data.hidden)
            settings, objective = phases(self.network, self.settings)[0]

            def counted(
                objective: Objective, ids: Tensor, lengths: Tensor, to: Tensor
            ) -> Iterator[Gradient]:
                self.tokens += int(lengths.sum())
                return objective(ids, lengths, to)

            run = begin(self.network, self.seed)
            yield from train(
                run, partial(counted, objective), self.reviews, data.train, targets, settings
            )

    def learn(self, batches: int) -> int:
        before = self.tokens
        for _ in islice(self.steps, batches):
            pass
        return self.tokens - before

    def accuracy(self) -> float:
        self.network.eval()
        accuracy = validate(self.network, self.reviews, self.data.held_out)[1]
        self.network.train()
        return accuracy


class PackedLSTM(nn.Module):
    """Embedding → packed LSTM → fully connected, on the last state."""

    def __init__(self, vocabulary: int, embedding_dim: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding_dim, padding_idx=PAD)
        self.lstm = nn.LSTM(embedding_dim, hidden, batch_first=True)
        self.output = nn.Linear(hidden, 1)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(
            self.embedding(ids), lengths, batch_first=True, enforce_sorted=False
        )
        _, (h, _) = self.lstm(packed)
        return self.output(h[-1]).squeeze(-1)


class Recipe:
    """What tutorials do; PyTorch's own initial weights, Adam with its own learning rate."""

    def __init__(self, data: Data, seed: int) -> None:
        self.data, self.seed = data, seed
        self.texts = [torch.tensor(data[i][: data.window]) for i in range(len(data.labels))]
        self.labels = torch.tensor(data.labels, dtype=torch.float32)
        self.restart()

    def restart(self) -> None:
        torch.manual_seed(self.seed)
        data = self.data
        self.network = PackedLSTM(data.vocabulary, data.embedding_dim, data.hidden)
        self.optimizer = torch.optim.Adam(self.network.parameters())
        self.order = Order(data.train, self.seed)

    def learn(self, batches: int) -> int:
        tokens = 0
        for _ in range(batches):
            places = self.order.take(self.data.batch)
            ids, lengths = self._batch(list(places))
            self.optimizer.zero_grad()
            loss = nn.functional.binary_cross_entropy_with_logits(
                self.network(ids, lengths), self.labels[places]
            )
            loss.backward()
            self.optimizer.step()
            tokens += int(lengths.sum())
        return tokens

    def accuracy(self) -> float:
        right = 0
        with torch.inference_mode():
            for places in torch.tensor(self.data.held_out).split(256):
                logits = self.network(*self._batch(places.tolist()))
                right += int(((logits > 0) == (self.labels[places] > 0.5)).sum())
        return right / len(self.data.held_out)

    def _batch(self, places: list[int]) -> tuple[Tensor, Tensor]:
        texts = [self.texts[i] for i in places]
        lengths = torch.tensor([len(text) for text in texts])
        return pad_sequence(texts, batch_first=True, padding_value=PAD), lengths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contender", choices=["ours", "recipe"])
    parser.add_argument("data", type=Path)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    def make(data: Data) -> Contender:
        if args.contender == "ours":
            return Ours(data, args.params, args.seed)
        return Recipe(data, args.seed)

    serve(make, args.data)


if __name__ == "__main__":
    main()
