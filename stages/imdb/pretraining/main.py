"""Stage `pretrain`: train the embedding and the LSTM as a language model.

With `imdb.lstm.bidirectional` there are two language models, one of which reads backwards.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from stages.common.errors import run_main
from stages.common.params import load_params
from stages.common.progress import log
from stages.imdb.corpus.corpus import (
    PAD,
    Corpus,
    Indices,
    group_train_val_split,
    load_corpus,
    text_noun,
)
from stages.imdb.corpus.params import Imdb
from stages.imdb.engine import distributed, launcher
from stages.imdb.engine.checkpoint import Checkpoint, output_folder, training_fingerprint
from stages.imdb.engine.cpu_tuning import tune_cpu
from stages.imdb.engine.parallel import train_side_by_side
from stages.imdb.models.device import get_device, get_matmul_dtype
from stages.imdb.models.serialization import directions
from stages.imdb.pretraining.language_model import LanguageModel
from stages.imdb.pretraining.trainer import new_state, train_language_model


def pretrain(args: argparse.Namespace, params: Imdb, corpus: Corpus, device: torch.device) -> None:
    """Train the language models and write the weights that the classifiers start from."""
    dtype = get_matmul_dtype(params.train.precision, device)
    lstm = params.lstm
    sizes = (params.embedding_dim, lstm.hidden_size, lstm.bigram_buckets)
    own_params = (params.pretrain, sizes, params.validation, lstm.bidirectional)
    identity = training_fingerprint((own_params, device.type, dtype), [args.corpus])
    distributed.check_same_config(identity)
    labelled, _ = group_train_val_split(corpus.metadata, params.validation)
    unlabelled = corpus.split_indices("unlabelled")
    indices = np.concatenate([labelled, unlabelled])
    is_main, noun = distributed.is_main_process(), text_noun(corpus.data_name)
    with output_folder(args.out, args.checkpoints) as folder:
        if is_main:
            log(
                f"pretrain: {len(labelled):,} training and {len(unlabelled):,} unlabelled {noun}s;"
                f" on {device.type} in {str(dtype).removeprefix('torch.')}"
            )
        train = partial(pretrain_direction, args, params, indices, identity, folder)
        if lstm.bidirectional and distributed.world_size() == 1 and device.type == "cpu":
            # On two processors this trains 1.3 times as many words per second as one language model
            # after the other on two threads.
            train_side_by_side(train, directions(lstm.bidirectional))
        else:
            tune_cpu()
            torch.set_num_threads(max(1, params.pretrain.threads // launcher.local_world_size()))
            for direction in directions(lstm.bidirectional):
                train(direction)


def pretrain_direction(
    args: argparse.Namespace,
    params: Imdb,
    indices: Indices,
    fingerprint: str,
    folder: Path,
    direction: str,
) -> None:
    """Train a language model, continuing from its checkpoint, and write its weights.

    Args:
        args: The command-line arguments.
        params: The section `imdb` of the parameters.
        indices: int64, the reviews to train on.
        fingerprint: Of the training, for its checkpoint.
        folder: Where to write the weights.
        direction: "forward", or "backward": from the last word of a review to the first.
    """
    backward = direction == "backward"
    corpus = load_corpus(args.corpus, backward)
    live = args.live / "backward" if backward else args.live
    state = new_state(len(corpus.vocab), params, get_device(params.train.device))
    checkpoint = Checkpoint(args.checkpoints / f"{direction}.safetensors", fingerprint)
    train_language_model(state, corpus, indices, params.pretrain, checkpoint, live)
    if distributed.is_main_process():
        save_pretrained(state.network, folder / f"{direction}.safetensors")


def save_pretrained(model: LanguageModel, path: Path) -> None:
    """Write the weights that `LSTMClassifier` shares with the language model."""
    weights = {
        name: weight
        for name, weight in model.state_dict().items()
        if name.startswith(("embedding.", "bigrams.", "lstm."))
    }
    weights["embedding.weight"][PAD] = 0  # here it was BOS; in the classifier it is padding
    safetensors.torch.save_file(weights, path)


@launcher.stop_on_user_error()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--corpus", type=Path, required=True, help="folder of tokenized reviews")
    parser.add_argument("--live", type=Path, required=True, help="folder for the curves")
    parser.add_argument(
        "--checkpoints", type=Path, required=True, help="folder, deleted at the end"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights")
    args = parser.parse_args()
    params = load_params(args.params, "imdb", Imdb)
    device = get_device(params.train.device)
    corpus = load_corpus(args.corpus)
    if params.train.num_processes > 1 and not launcher.launched_by_torchrun():
        launcher.launch("stages.imdb.pretraining.main", params.train.num_processes, device)
        return
    with launcher.process_group(device):
        pretrain(args, params, corpus, device)


if __name__ == "__main__":
    run_main(main)
