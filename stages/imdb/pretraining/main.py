"""Stage `pretrain`: train the embedding and the LSTM as a language model."""

import argparse
import shutil
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from stages.common.errors import run_main
from stages.common.files import atomic_write
from stages.common.params import load_params
from stages.common.progress import log
from stages.imdb.corpus.corpus import PAD, Corpus, group_train_val_split, load_corpus
from stages.imdb.corpus.params import Imdb
from stages.imdb.engine import distributed, launcher
from stages.imdb.engine.checkpoint import Checkpoint, training_fingerprint
from stages.imdb.engine.malloc import tune_malloc
from stages.imdb.models.device import get_device, get_matmul_dtype
from stages.imdb.pretraining.language_model import LanguageModel
from stages.imdb.pretraining.trainer import new_state, train_language_model


def pretrain(args: argparse.Namespace, params: Imdb, corpus: Corpus) -> None:
    """Train the language model and write the weights that the classifier starts from."""
    device = get_device(params.train.device)
    dtype = get_matmul_dtype(params.train.precision, device)
    lstm = params.lstm
    sizes = (params.embedding_dim, lstm.hidden_size, lstm.bigram_buckets)
    own_params = (params.pretrain, sizes, params.validation)
    identity = training_fingerprint((own_params, device.type, dtype), [args.corpus])
    distributed.check_same_config(identity)
    labelled, _ = group_train_val_split(corpus.metadata, params.validation)
    unlabelled = corpus.split_indices("unlabelled")
    if distributed.is_main_process():
        log(
            f"pretrain: {len(labelled):,} training and {len(unlabelled):,} unlabelled reviews; on"
            f" {device.type} in {str(dtype).removeprefix('torch.')}"
        )
    state = new_state(len(corpus.vocab), params, device)
    checkpoint = Checkpoint(args.checkpoints / "pretrain.safetensors", identity)
    indices = np.concatenate([labelled, unlabelled])
    train_language_model(state, corpus, indices, params.pretrain, checkpoint, args.live)
    if distributed.is_main_process():
        save_pretrained(state.network, args.out)
        shutil.rmtree(args.checkpoints, ignore_errors=True)


def save_pretrained(model: LanguageModel, path: Path) -> None:
    """Write the weights that `LSTMClassifier` shares with the language model."""
    weights = {
        name: weight
        for name, weight in model.state_dict().items()
        if name.startswith(("embedding.", "bigrams.", "lstm."))
    }
    weights["embedding.weight"][PAD] = 0  # here it was BOS; in the classifier it is padding
    with atomic_write(path) as temporary:
        safetensors.torch.save_file(weights, temporary)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--corpus", type=Path, required=True, help="folder of tokenized reviews")
    parser.add_argument("--live", type=Path, required=True, help="folder for the curve")
    parser.add_argument(
        "--checkpoints", type=Path, required=True, help="folder, deleted at the end"
    )
    parser.add_argument("--out", type=Path, required=True, help="weights to start the LSTM from")
    args = parser.parse_args()
    params = load_params(args.params, "imdb", Imdb)
    device = get_device(params.train.device)
    corpus = load_corpus(args.corpus)
    if params.train.num_processes > 1 and not launcher.launched_by_torchrun():
        launcher.launch("stages.imdb.pretraining.main", params.train.num_processes, device)
        return
    tune_malloc()
    torch.set_num_threads(max(1, params.pretrain.threads // launcher.local_world_size()))
    with launcher.process_group(device):
        pretrain(args, params, corpus)


if __name__ == "__main__":
    run_main(main)
