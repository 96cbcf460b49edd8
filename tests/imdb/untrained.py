"""Untrained networks on disk, for tests that need a network but not a good one."""

from pathlib import Path

import torch

from stages.imdb.models.serialization import ModelConfig, build_model, save_config, save_weights

VOCAB = ["<pad>", "<unk>", "a", "great", "film", "bad", "!"]


def save_untrained(folder: Path, vocab: list[str] = VOCAB, num_classes: int = 2) -> list[Path]:
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
                "classes": ["bad", "good", "odd"][:num_classes],
                "seeds": [1],
                "kwargs": kwargs,
            }
        )
        save_config(config, vocab, path)
        save_weights(build_model(config), path, 1)
        folders.append(path)
    return folders
