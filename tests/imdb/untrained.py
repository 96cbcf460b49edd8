"""Untrained networks on disk, for tests that need a network but not a good one."""

from pathlib import Path

import torch

from stages.imdb.corpus.params import Linear
from stages.imdb.linear.model import build_linear_model, fit_model
from stages.imdb.linear.serialization import save_linear
from stages.imdb.models.serialization import (
    ModelConfig,
    build_model,
    run_name,
    save_config,
    save_weights,
)

VOCAB = ["<pad>", "<unk>", "a", "great", "film", "bad", "!"]
CLASSES = ["bad", "good", "odd"]


def save_untrained(
    folder: Path, vocab: list[str] = VOCAB, num_classes: int = 2, seeds: tuple[int, ...] = (1,)
) -> list[Path]:
    """Save a mean and an LSTM with random weights into the subfolders `mean` and `lstm`."""
    torch.manual_seed(0)
    sizes = {"vocab_size": len(vocab), "embedding_dim": 8}
    folders = []
    for model, kwargs in (("mean", sizes), ("lstm", {**sizes, "hidden_size": 6})):
        path = folder / model
        path.mkdir(parents=True)
        config = ModelConfig.model_validate(
            {
                "model": model,
                "data_name": "made up",
                "classes": CLASSES[:num_classes],
                "seeds": [*seeds],
                "kwargs": kwargs,
            }
        )
        save_config(config, vocab, path)
        for seed in seeds:
            save_weights(build_model(config), path, run_name(seed))
        folders.append(path)
    return folders


def save_small_linear(folder: Path, num_classes: int = 2) -> Path:
    """Fit a linear model to a few texts and save it into the subfolder `linear`."""
    texts = ["a bad film", "a great film!", "an odd film"][:num_classes] * 3
    model = build_linear_model(Linear(ngrams=2, min_df=1, C=1.0), num_classes)
    fit_model(model, texts, [*range(num_classes)] * 3)
    save_linear(model, "made up", CLASSES[:num_classes], folder / "linear")
    return folder / "linear"
