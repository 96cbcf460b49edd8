"""Stage: pretrain the embedding and the LSTM as a language model."""

import argparse
import shutil
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from dvclive import Live

from stages.common import params
from stages.common.errors import run
from stages.common.files import atomic
from stages.common.progress import progress, say
from stages.imdb.checkpoint import Checkpoint, identity_of
from stages.imdb.device import keep_memory
from stages.imdb.models import PAD
from stages.imdb.params import Imdb
from stages.imdb.pretraining import begin, pretrain, steps_of
from stages.imdb.reviews import load, split_by_film

POINTS = 50  # of the loss curve


def _draw(live: Live, point: dict[str, float]) -> None:
    live.step = int(point["step"])
    live.log_metric("pretrain/loss", point["loss"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--reviews", type=Path, required=True, help="over the vocabulary")
    parser.add_argument("--live", type=Path, required=True, help="folder for the curve")
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder, gone at the end")
    parser.add_argument("--out", type=Path, required=True, help="weights to start the LSTM from")
    args = parser.parse_args()
    settings = params.load(args.params, "imdb", Imdb)

    keep_memory()
    torch.set_num_threads(settings.pretrain.threads)
    reviews = load(args.reviews)
    labelled, _ = split_by_film(reviews.index, settings.validation)
    unlabelled = reviews.where("unlabelled")
    say(
        f"pretrain: on {len(labelled):,} training and {len(unlabelled):,} unlabelled reviews"
        + ("" if len(unlabelled) else "; this data has no unlabelled ones, so it learns less")
    )
    places = np.concatenate([labelled, unlabelled])
    own, hidden = settings.pretrain, settings.lstm.hidden
    language = begin(len(reviews.words), settings.embedding_dim, hidden, own.seed)
    checkpoint = Checkpoint(
        args.checkpoints / "pretrain.safetensors",
        identity_of((own, hidden, settings.embedding_dim, settings.validation), [args.reviews]),
    )
    checkpoint.resume(language)
    steps = steps_of(reviews, places, own)
    events = pretrain(language, reviews, places, own)
    with Live(str(args.live), save_dvc_exp=False, dvcyaml=None) as live:
        for point in language.curves:
            _draw(live, point)
        for loss in progress(events, steps, "pretrain", "step", start=language.step):
            language.add(loss=loss, steps=1)
            if language.step % max(1, steps // POINTS) == 0:
                mean = language.sums["loss"] / language.sums["steps"]
                language.curves.append({"step": language.step, "loss": mean})
                language.sums = {}
                _draw(live, language.curves[-1])
            checkpoint.save_if_due(language)
    weights = {
        name: weight
        for name, weight in language.network.state_dict().items()
        if name.startswith(("embedding.", "lstm."))
    }
    # It stood between reviews; in the classifier it is padding.
    weights["embedding.weight"][PAD] = 0
    with atomic(args.out) as temporary:
        safetensors.torch.save_file(weights, temporary)
    shutil.rmtree(args.checkpoints, ignore_errors=True)


if __name__ == "__main__":
    run(main)
