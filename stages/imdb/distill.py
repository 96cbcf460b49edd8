"""Stage: teach the pretrained LSTM to rate, with the linear model's word for what has no label."""

import argparse
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from stages.common import params
from stages.common.errors import StageError, run
from stages.common.files import atomic
from stages.common.progress import progress, say
from stages.imdb.checkpoint import Checkpoint, identity_of
from stages.imdb.device import deterministic, keep_memory
from stages.imdb.fit import Lesson, fit
from stages.imdb.models import LSTMClassifier
from stages.imdb.params import Imdb
from stages.imdb.predictions import read
from stages.imdb.reviews import load, split_by_film
from stages.imdb.saved import load_weights
from stages.imdb.training import adversarial, begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--reviews", type=Path, required=True, help="over the vocabulary")
    parser.add_argument("--teacher", type=Path, required=True, help="ratings of the unlabelled")
    parser.add_argument("--pretrained", type=Path, required=True, help="weights to start from")
    parser.add_argument("--live", type=Path, required=True, help="folder for the curves")
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder, gone at the end")
    parser.add_argument("--out", type=Path, required=True, help="weights to train the LSTM from")
    args = parser.parse_args()
    settings = params.load(args.params, "imdb", Imdb)
    own, hidden = settings.distill, settings.lstm.hidden

    keep_memory()
    torch.set_num_threads(settings.threads)
    reviews = load(args.reviews)
    labelled, held_out = split_by_film(reviews, settings.validation)
    unlabelled = reviews.where("unlabelled")
    teacher = read(args.teacher)
    if teacher.probabilities.shape[1] != len(unlabelled):
        raise StageError(
            f"{args.teacher}: ratings of {teacher.probabilities.shape[1]:,} reviews, not of the"
            f" {len(unlabelled):,} unlabelled ones of {args.reviews}; run dvc repro"
        )
    targets = torch.from_numpy(reviews.labels).float()
    targets[unlabelled] = torch.from_numpy(teacher.probabilities[0])
    say(
        f"distill: {len(labelled):,} training reviews with their labels, {len(unlabelled):,}"
        f" unlabelled ones with the {teacher.model} model's ratings"
    )

    deterministic(own.seed)
    network = LSTMClassifier(len(reviews.words), settings.embedding_dim, hidden, own.dropout)
    network.load_state_dict(load_weights(args.pretrained), strict=False)
    places = np.concatenate([labelled, unlabelled])
    identity = identity_of(
        (own, hidden, settings.embedding_dim, settings.validation),
        [args.reviews, args.teacher, args.pretrained],
    )
    events = fit(
        "distill",
        begin(network, own.seed),
        partial(adversarial, network, own.perturbation),
        Lesson(reviews, places, held_out, targets),
        own,
        Checkpoint(args.checkpoints / "distill.safetensors", identity),
        args.live,
    )
    total = len(places) * own.epochs
    for _ in progress(events, total, "distill", "review", size=lambda reviews: reviews):
        pass
    with atomic(args.out) as temporary:
        safetensors.torch.save_file(network.state_dict(), temporary)
    shutil.rmtree(args.checkpoints)


if __name__ == "__main__":
    run(main)
