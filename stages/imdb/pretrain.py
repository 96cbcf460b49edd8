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
from stages.imdb import together
from stages.imdb.checkpoint import Checkpoint, Run, identity_of
from stages.imdb.device import choose, keep_memory
from stages.imdb.models import PAD
from stages.imdb.params import Imdb, Pretrain
from stages.imdb.pretraining import LanguageModel, begin, pretrain, steps_of
from stages.imdb.reviews import Indices, Reviews, load, split_by_film

POINTS = 50  # of the loss curve


def _draw(live: Live, point: dict[str, float]) -> None:
    live.step = int(point["step"])
    live.log_metric("pretrain/loss", point["loss"])


def learn(
    language: Run[LanguageModel],
    reviews: Reviews,
    places: Indices,
    settings: Pretrain,
    checkpoint: Checkpoint,
    live: Path,
) -> None:
    """Train a language model in place, from its checkpoint on; draw the curve in `live`."""
    checkpoint.resume(language)
    steps = steps_of(reviews, places, settings)
    events = pretrain(language, reviews, places, settings)
    if not together.leads():
        for _ in events:
            pass
        return
    with Live(str(live), save_dvc_exp=False, dvcyaml=None) as curve:
        for point in language.curves:
            _draw(curve, point)
        for loss in progress(events, steps, "pretrain", "steps", start=language.step):
            language.add(loss=loss, steps=1)
            if language.step % max(1, steps // POINTS) == 0:
                mean = language.sums["loss"] / language.sums["steps"]
                language.curves.append({"step": language.step, "loss": mean})
                language.sums = {}
                _draw(curve, language.curves[-1])
            checkpoint.save_if_due(language)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--reviews", type=Path, required=True, help="over the vocabulary")
    parser.add_argument("--live", type=Path, required=True, help="folder for the curve")
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder, gone at the end")
    parser.add_argument("--out", type=Path, required=True, help="weights to start the LSTM from")
    args = parser.parse_args()
    settings = params.load(args.params, "imdb", Imdb)
    device = choose(settings.train.device)
    reviews = load(args.reviews)
    if settings.train.processes > 1 and not together.called():
        return together.launch("stages.imdb.pretrain", settings.train.processes, device)

    keep_memory()
    torch.set_num_threads(max(1, settings.pretrain.threads // together.on_this_machine()))
    labelled, _ = split_by_film(reviews.index, settings.validation)
    unlabelled = reviews.where("unlabelled")
    places = np.concatenate([labelled, unlabelled])
    own, lstm = settings.pretrain, settings.lstm
    sizes = (settings.embedding_dim, lstm.hidden, lstm.pairs)
    seen = (own, *sizes, settings.validation)
    with together.joined(device):
        identity = identity_of(seen, [args.reviews], device)
        together.agree(identity)
        if together.leads():
            none = (
                "" if len(unlabelled) else "; this data has no unlabelled ones, so it learns less"
            )
            say(
                f"pretrain: on {len(labelled):,} training and {len(unlabelled):,} unlabelled"
                f" reviews{none}"
            )
        language = begin(len(reviews.words), *sizes, own.seed, device)
        checkpoint = Checkpoint(args.checkpoints / "pretrain.safetensors", identity)
        learn(language, reviews, places, own, checkpoint, args.live)
        if together.leads():
            _save(language.network, args.out)
            shutil.rmtree(args.checkpoints, ignore_errors=True)


def _save(model: LanguageModel, path: Path) -> None:
    """Write the weights that the LSTM starts from."""
    weights = {
        name: weight
        for name, weight in model.state_dict().items()
        if name.startswith(("embedding.", "pairs.", "lstm."))
    }
    # It stood between reviews; in the classifier it is padding.
    weights["embedding.weight"][PAD] = 0
    with atomic(path) as temporary:
        safetensors.torch.save_file(weights, temporary)


if __name__ == "__main__":
    run(main)
