"""A folder with a small corpus, in which stages train through their command lines."""

import subprocess
import sys
from array import array
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from safetensors.torch import load_file

from stages.imdb.corpus.corpus import write_ids, write_offsets, write_vocab
from stages.imdb.corpus.predictions import Predictions, save_predictions
from tests.clone import ROOT, SMALL, update
from tests.imdb.made_up import review

# Batches of seven or three reviews and a smaller last one, five streams: no multiples of 2.
# These trainings keep their batch size: they have 100 steps, or batches that are not made smaller.
PARAMS: dict[str, object] = {
    "seeds": [1],
    "train": {"precision": "float32"},  # bfloat16 rounds too coarsely to compare
    "mean": {"batch_size": 7, "epochs": 12, "ngrams": 2, "num_buckets": 1_000, "word_dropout": 0.5},
    "pretrain": {"batch_size": 5, "epochs": 2, "threads": 1},
    "lstm": {
        "batch_size": 3, "epochs": 2, "dropout": 0.0, "word_dropout": 0.2, "max_length": 12,
        "ngrams": 2, "num_buckets": 1_000, "finetune": {"epochs": 1, "adv_epsilon": 0.05},
    },
}  # fmt: skip
TIMEOUT = 300.0  # seconds


class Site:
    """A folder with a corpus, a teacher's predictions, and what is trained on them."""

    def __init__(self, folder: Path, reverse: bool = False) -> None:
        """`reverse`: Whether the words of each review are in reverse order."""
        self.folder = folder
        rng = np.random.default_rng(0)
        texts = [review(i % 2 == 0, rng).split() for i in range(66)]
        vocab = ["<pad>", "<unk>", *sorted({word for text in texts for word in text})]
        self.vocab_size = len(vocab)
        word_to_id = {word: number for number, word in enumerate(vocab)}
        step = -1 if reverse else 1
        ids = np.array([word_to_id[word] for text in texts for word in text[::step]], np.int32)
        metadata = pd.DataFrame(
            {
                "id": [str(i) for i in range(66)],
                "split": ["train"] * 40 + ["unlabelled"] * 26,
                "group": [f"film {i // 4}" for i in range(66)],
                "label": [1 - i % 2 for i in range(40)] + [-1] * 26,
            }
        )
        (folder / "corpus").mkdir(parents=True)
        write_vocab(vocab, folder / "corpus")
        write_ids([ids], folder / "corpus")
        write_offsets(array("q", map(len, texts)), folder / "corpus")
        metadata.to_parquet(folder / "corpus/metadata.parquet")
        positive = rng.random((1, 26)).astype(np.float32)
        probabilities = np.stack([1 - positive, positive], axis=2)
        predictions = Predictions(
            "linear", "made up", ["bad", "good"], 1, [0], "float64", probabilities
        )
        save_predictions(predictions, folder / "teacher")

    def command(self, name: str, what: str, **changes: object) -> list[str]:
        """Return the module and arguments of the stage that trains `what` into a folder."""
        place = self.folder / name
        place.mkdir(exist_ok=True)
        tree = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
        update(tree, SMALL)
        update(tree["imdb"], PARAMS)
        update(tree["imdb"], changes)
        (place / "params.yaml").write_text(yaml.safe_dump(tree), "utf-8")
        args = ["--params", place / "params.yaml", "--corpus", self.folder / "corpus"]
        args += ["--live", place / f"{what}-live", "--checkpoints", place / f"{what}-checkpoints"]
        args += ["--out", place / what]
        if what == "pretrain":
            return ["stages.imdb.pretraining.main", *map(str, args)]
        args += ["--teacher", self.folder / "teacher"]
        return ["stages.imdb.training.main", what, *map(str, args)]

    def run(
        self, name: str, what: str, *args: str, **changes: object
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *self.command(name, what, **changes), *args]
        return subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, timeout=TIMEOUT,
            check=False,
        )  # fmt: skip

    def curves(self, name: str, what: str) -> dict[str, list[float]]:
        """Return the values of each curve."""
        place = self.folder / name / f"{what}-live"
        return {
            str(path.relative_to(place)): pd.read_csv(path, sep="\t").iloc[:, -1].tolist()
            for path in sorted(place.rglob("*.tsv"))
        }

    def weights(self, name: str, what: str, backward: bool = False) -> dict[str, torch.Tensor]:
        if what == "pretrain":
            file = "backward" if backward else "forward"
        else:
            file = "seed-1-backward" if backward else "seed-1"
        return load_file(self.folder / name / what / f"{file}.safetensors")
