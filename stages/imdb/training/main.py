"""Stages `train` and `lstm`: train a network from every seed.

On a CPU, several seeds are trained side by side, each in a process with one thread. That is faster
than one seed after the other on all processors, and the weights do not depend on the number of
processors. On a GPU, and where several processes share each batch, the seeds are trained one after
the other.
"""

import argparse
import os
import shutil
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import torch
from tqdm import tqdm

from stages.common.errors import run_main
from stages.common.files import atomic_write
from stages.common.params import load_params
from stages.common.processes import SPAWN_CONTEXT, cpu_count, process_pool
from stages.common.progress import log
from stages.imdb.corpus.corpus import Corpus, group_train_val_split, load_corpus
from stages.imdb.corpus.params import Imdb
from stages.imdb.engine import distributed, launcher
from stages.imdb.engine.checkpoint import training_fingerprint
from stages.imdb.engine.malloc import HUGEPAGES_ENV, tune_malloc
from stages.imdb.models.device import get_device
from stages.imdb.models.registry import NETWORKS
from stages.imdb.models.serialization import save_config
from stages.imdb.training.job import Job, make_config, model_params
from stages.imdb.training.trainer import train_seed


def train_in_parallel(job: Job) -> None:
    """Train from every seed, one seed per processor."""
    seeds = job.params.seeds
    os.environ |= HUGEPAGES_ENV
    workers = min(len(seeds), cpu_count())
    with process_pool(workers, _init_worker, SPAWN_CONTEXT.RLock()) as executor:
        list(executor.map(partial(train_seed, job), seeds))


def _init_worker(lock: object) -> None:
    tqdm.set_lock(lock)  # so that the progress bars of several processes do not overlap
    torch.set_num_threads(1)


def train_sequentially(job: Job) -> None:
    """Train from every seed, one after the other, together with the other ranks."""
    tune_malloc()
    torch.set_num_threads(1)
    for seed in job.params.seeds:
        train_seed(job, seed)


def train_model(args: argparse.Namespace, params: Imdb, corpus: Corpus) -> None:
    """Train from every seed and write the networks into a folder."""
    device = get_device(params.train.device)
    config = make_config(args.model, params, corpus, device)
    inputs = [path for path in (args.corpus, args.pretrained, args.teacher) if path]
    own_params = (model_params(args.model, params), params.embedding_dim, params.validation)
    identity = training_fingerprint((own_params, device.type, config.trained_precision), inputs)
    distributed.check_same_config(identity)
    train_indices, val_indices = group_train_val_split(corpus.metadata, params.validation)
    is_main = distributed.is_main_process()
    with atomic_write(args.out) if is_main else nullcontext(args.out) as folder:
        job = Job(
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
        if is_main:
            folder.mkdir()
            log(
                f"{args.model}: seeds {params.seeds}, {len(train_indices):,} labelled reviews,"
                f" {len(val_indices):,} for validation, {len(corpus.split_indices('unlabelled')):,}"
                f" unlabelled; on {device.type} in {config.trained_precision}"
            )
        sequential = distributed.world_size() > 1 or device.type != "cpu"
        (train_sequentially if sequential else train_in_parallel)(job)
        if is_main:
            save_config(job.config, corpus.vocab, folder)
    if is_main:
        shutil.rmtree(args.checkpoints, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=[*NETWORKS])
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--corpus", type=Path, required=True, help="folder of tokenized reviews")
    parser.add_argument("--pretrained", type=Path, help="a language model to start from")
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
        train_model(args, params, corpus)


if __name__ == "__main__":
    run_main(main)
