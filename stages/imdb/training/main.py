"""Stages `train` and `lstm`: train a network from every seed.

On a CPU, the networks of several seeds are trained side by side, each in a process with one thread.
That is faster than one after the other on all processors, and the weights do not depend on the
number of processors. On a GPU, and where several processes share each batch, they are trained one
after the other.
"""

import argparse
import itertools
from dataclasses import replace
from pathlib import Path

import torch

from stages.common.errors import run_main
from stages.common.params import load_params
from stages.common.progress import log
from stages.imdb.corpus.corpus import Corpus, group_train_val_split, load_corpus, text_noun
from stages.imdb.corpus.params import Imdb
from stages.imdb.engine import distributed, launcher
from stages.imdb.engine.checkpoint import output_folder, training_fingerprint
from stages.imdb.engine.cpu_tuning import tune_cpu
from stages.imdb.engine.parallel import train_side_by_side
from stages.imdb.models.device import get_device
from stages.imdb.models.registry import NETWORKS
from stages.imdb.models.serialization import directions, save_config
from stages.imdb.training.job import Job, make_config, model_params
from stages.imdb.training.trainer import train_network


def train_model(
    args: argparse.Namespace, params: Imdb, corpus: Corpus, device: torch.device
) -> None:
    """Train from every seed and write the networks into a folder."""
    config = make_config(args.model, params, corpus, device)
    inputs = [path for path in (args.corpus, args.pretrained, args.teacher) if path]
    own_params = (model_params(args.model, params), params.embedding_dim, params.validation)
    identity = training_fingerprint((own_params, device.type, config.trained_precision), inputs)
    distributed.check_same_config(identity)
    train_indices, val_indices = group_train_val_split(corpus.metadata, params.validation)
    is_main, noun = distributed.is_main_process(), text_noun(corpus.data_name)
    with output_folder(args.out, args.checkpoints) as folder:
        first = Job(
            seed=params.seeds[0],
            config=config,
            params=params,
            corpus=args.corpus,
            train_indices=train_indices,
            val_indices=val_indices,
            pretrained=args.pretrained,
            teacher=args.teacher,
            live=args.live,
            checkpoints=args.checkpoints,
            out=folder,
            fingerprint=identity,
        )
        jobs = [
            replace(
                first, seed=seed, number=number, backward=direction == "backward",
                pretrained=args.pretrained and args.pretrained / f"{direction}.safetensors",
            )
            for number, (seed, direction) in enumerate(
                itertools.product(params.seeds, directions(config.bidirectional))
            )
        ]  # fmt: skip
        if is_main:
            log(
                f"{args.model}: seeds {params.seeds}, {len(train_indices):,} labelled {noun}s,"
                f" {len(val_indices):,} for validation, {len(corpus.split_indices('unlabelled')):,}"
                f" unlabelled; on {device.type} in {config.trained_precision}"
            )
        if distributed.world_size() > 1 or device.type != "cpu":
            tune_cpu()
            torch.set_num_threads(1)
            for job in jobs:
                train_network(job)
        else:
            train_side_by_side(train_network, jobs)
        if is_main:
            save_config(config, corpus.vocab, folder)


@launcher.stop_on_user_error()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=[*NETWORKS])
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--corpus", type=Path, required=True, help="folder of tokenized reviews")
    parser.add_argument("--pretrained", type=Path, help="folder of language models to start from")
    parser.add_argument("--teacher", type=Path, help="predictions for the unlabelled reviews")
    parser.add_argument("--live", type=Path, required=True, help="folder for the curves")
    parser.add_argument(
        "--checkpoints", type=Path, required=True, help="folder, deleted at the end"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the trained networks")
    args = parser.parse_args()
    params = load_params(args.params, "imdb", Imdb)
    device = get_device(params.train.device)
    corpus = load_corpus(args.corpus)
    if params.train.num_processes > 1 and not launcher.launched_by_torchrun():
        launcher.launch("stages.imdb.training.main", params.train.num_processes, device)
        return
    with launcher.process_group(device):
        train_model(args, params, corpus, device)


if __name__ == "__main__":
    run_main(main)
