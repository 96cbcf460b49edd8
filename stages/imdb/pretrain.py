"""Stage: pretrain the embedding and the LSTM as a language model."""

import argparse
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from dvclive import Live

from stages.common import params
from stages.common.errors import run
from stages.common.files import atomic
from stages.common.progress import progress, say
from stages.imdb.device import keep_memory
from stages.imdb.models import PAD
from stages.imdb.params import Imdb
from stages.imdb.pretraining import LanguageModel, pretrain
from stages.imdb.reviews import load, split_by_film

POINTS = 50  # of the loss curve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--reviews", type=Path, required=True, help="over the vocabulary")
    parser.add_argument("--live", type=Path, required=True, help="folder for the curve")
    parser.add_argument("--out", type=Path, required=True, help="weights to start the LSTM from")
    args = parser.parse_args()
    settings = params.load(args.params, "imdb", Imdb)

    keep_memory()
    torch.set_num_threads(settings.pretrain.threads)
    reviews = load(args.reviews)
    labelled, _ = split_by_film(reviews, settings.validation)
    unlabelled = reviews.where("unlabelled")
    say(
        f"pretrain: on {len(labelled):,} training and {len(unlabelled):,} unlabelled reviews"
        + ("" if len(unlabelled) else "; this data has no unlabelled ones, so it learns less")
    )
    torch.manual_seed(settings.pretrain.seed)
    model = LanguageModel(len(reviews.words), settings.embedding_dim, settings.lstm.hidden)
    places = np.concatenate([labelled, unlabelled])
    events = pretrain(model, reviews, places, settings.pretrain, settings.pretrain.seed)

    first = next(events)
    _, steps, _ = first
    losses = [first[2]]
    with Live(str(args.live), save_dvc_exp=False, dvcyaml=None) as live:
        for step, _, loss in progress(events, steps, "pretrain", "step", start=1):
            losses.append(loss)
            if step % max(1, steps // POINTS) == 0:
                live.step = step
                live.log_metric("pretrain/loss", float(np.mean(losses)))
                losses.clear()
    weights = {
        name: weight
        for name, weight in model.state_dict().items()
        if name.startswith(("embedding.", "lstm."))
    }
    weights["embedding.weight"][PAD] = (
        0  # it stood between reviews; in the classifier it is padding
    )
    with atomic(args.out) as temporary:
        safetensors.torch.save_file(weights, temporary)


if __name__ == "__main__":
    run(main)
