"""Train a classifier: data, model, optimizer, schedule, loop, validation, checkpoint.

Start with `train_network`; `train_phase` holds the loop.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  its name in every PyTorch text

from stages.common.errors import UserError
from stages.common.processes import cpu_count
from stages.common.progress import log, progress
from stages.imdb.corpus.corpus import Corpus, Indices, load_corpus, text_noun
from stages.imdb.corpus.params import SequenceParams, TrainingParams
from stages.imdb.corpus.predictions import load_predictions
from stages.imdb.engine import distributed, optim
from stages.imdb.engine.checkpoint import Checkpoint, TrainState
from stages.imdb.engine.curves import Point, live_curves
from stages.imdb.engine.steps import log_fit, shrink
from stages.imdb.models.batches import bucketed_batches, collate, drop_words, random_crop
from stages.imdb.models.classifiers import Network, SequenceClassifier, logits_to_probs
from stages.imdb.models.device import get_device, get_matmul_dtype, seed_everything
from stages.imdb.models.inference import predict_proba
from stages.imdb.models.serialization import build_model, load_pretrained, save_weights
from stages.imdb.training.job import Job, Phase, model_params, training_phases
from stages.imdb.training.objective import training_step

LOG_POINTS = 5  # validations, and points of the curves, per phase
MIN_BATCH_SIZE = 4  # if there are few reviews
WARMUP_FRACTION = 0.05  # of all steps, during which the learning rate rises


@dataclass(frozen=True)
class TrainingData:
    """Reviews with soft targets.

    Attributes:
        corpus: All reviews.
        indices: int64, the reviews to train on.
        targets: float32 [reviews × classes], the probability of each class, of all reviews.
    """

    corpus: Corpus
    indices: Indices
    targets: Tensor


def train_network(job: Job) -> None:
    """Train a network, continuing from its checkpoint, and save its weights.

    Raises:
        UserError: If the training diverges, or an input does not fit.
    """
    corpus = load_corpus(job.corpus, job.backward)
    device = get_device(job.params.train.device)
    seed_everything(job.seed)
    network = build_model(job.config)
    if job.pretrained is not None:
        load_pretrained(network, job.pretrained)
    if isinstance(network, SequenceClassifier):
        params = model_params(job.config.model, job.params)
        assert isinstance(params, SequenceParams)  # noqa: S101  the schema says so
        network.dropout.p = params.dropout
        network.matmul_dtype = get_matmul_dtype(job.params.train.precision, device)
    network.to(device)

    history: list[Point] = []
    examples_seen = 0
    for number, phase in enumerate(training_phases(job.config.model, job.params)):
        data = make_training_data(job, phase, corpus)
        optimizers = optim.build_optimizers(network)
        state = TrainState(network, optimizers, job.seed, number, history=history)
        train_phase(job, phase, data, state, examples_seen)
        history = state.history
        examples_seen += phase.params.epochs * len(data.indices)
    if distributed.is_main_process():
        save_weights(network, job.out, job.name)


def make_training_data(job: Job, phase: Phase, corpus: Corpus) -> TrainingData:
    """Return the labelled reviews and, with a teacher, a random part of the unlabelled ones.

    The targets of labelled reviews are one-hot. Those of unlabelled reviews are the probabilities
    that the teacher predicts (distillation: Hinton, Vinyals & Dean 2015).

    Raises:
        UserError: If the teacher's predictions are of other reviews.
    """
    indices = job.train_indices
    targets = torch.from_numpy(np.eye(len(corpus.classes), dtype=np.float32)[corpus.labels])
    if job.teacher is not None:
        unlabelled = corpus.split_indices("unlabelled")
        probabilities = load_predictions(job.teacher).probabilities
        if probabilities.shape != (1, len(unlabelled), len(corpus.classes)):
            raise UserError(
                f"{job.teacher}: {probabilities.shape[1]:,} predictions, but {job.corpus} has"
                f" {len(unlabelled):,} unlabelled reviews; run dvc repro"
            )
        targets[unlabelled] = torch.from_numpy(probabilities[0])
        count = round(phase.params.unlabelled_fraction * len(unlabelled))
        chosen = np.random.default_rng([job.seed, 2]).choice(unlabelled, count, replace=False)
        indices = np.concatenate([indices, np.sort(chosen)])
    return TrainingData(corpus, indices, targets)


def train_phase(
    job: Job, phase: Phase, data: TrainingData, state: TrainState[Network], examples_seen: int
) -> None:
    """Train `state.network` in place.

    Each rank trains on its shard of every batch. Crops and dropped words are drawn for the whole
    batch, so they do not depend on the number of ranks.

    Args:
        job: What to train.
        phase: Its hyperparameters.
        data: What to train on.
        state: A new state. If there is a checkpoint, the training continues from there.
        examples_seen: Number of reviews that earlier phases have trained on.

    Raises:
        UserError: If the training diverges.
    """
    params, network = fit_to_data(phase.params, len(data.indices)), state.network
    device = get_device(job.params.train.device)
    lengths = np.minimum(data.corpus.lengths[data.indices], params.max_length)
    steps_per_epoch = math.ceil(len(data.indices) / params.batch_size)
    num_steps = params.epochs * steps_per_epoch
    if distributed.is_main_process() and job.number == 0:
        section = f"imdb.{job.config.model}" + (".finetune" if state.phase else "")
        log_fit(section, phase.params, params, num_steps)
    path = job.checkpoints / f"{job.name}-{phase.name}.safetensors"
    checkpoint = Checkpoint(path, job.fingerprint)
    checkpoint.resume(state)
    first_step = state.step

    ddp_network = distributed.wrap(network)
    network.train()
    desc = f"{job.label}, {phase.name}"
    steps: Iterable[int] = range(first_step, num_steps)
    if distributed.is_main_process():
        line = job.number % cpu_count()
        steps = progress(steps, num_steps, desc, initial=first_step, position=line)
    with live_curves(job.live / job.name, state.history) as add_point:
        for step in steps:
            epoch, i = divmod(step, steps_per_epoch)
            if i == 0 or step == first_step:
                batches = bucketed_batches(lengths, params.batch_size, state.epoch_rng(epoch))

            # Data: crop the reviews, drop words, and take this rank's shard of the batch.
            batch = data.indices[batches[i]]
            rng = state.seed_step(distributed.rank())
            crops = [random_crop(data.corpus[j], params.max_length, rng) for j in batch]
            reviews = [drop_words(ids, params.word_dropout, rng) for ids in crops]
            shard = distributed.shard_batch(len(batch))
            ids, review_lens = collate([reviews[j] for j in shard.indices])
            targets = data.targets[batch[shard.indices]]
            ids, review_lens, targets = (t.to(device) for t in (ids, review_lens, targets))

            # Forward, backward and update.
            lr = params.learning_rate * warmup_cosine(step / num_steps)
            logits, loss = training_step(
                ddp_network, state, phase, (ids, review_lens, targets), shard, lr
            )
            state.step += 1

            # Totals since the last point of the curves. An idle rank has trained on a review of
            # another rank, which does not count.
            correct = logits_to_probs(logits).argmax(1) == targets.argmax(1)
            mean_loss, num_correct = distributed.all_reduce_sum(
                loss * shard.loss_weight, int(correct[: shard.count].sum())
            )
            if not math.isfinite(mean_loss):
                raise UserError(
                    f"{desc}: the loss of step {state.step} is {mean_loss}: the training diverged"
                    f" and no model is written; lower learning_rate, {params.learning_rate}, in"
                    " params.yaml"
                )
            state.accumulate(n=len(batch), loss=mean_loss * len(batch), correct=num_correct)

            # Validation and checkpoint.
            if state.step * LOG_POINTS // num_steps > step * LOG_POINTS // num_steps:
                seen = epoch * len(data.indices) + sum(len(b) for b in batches[: i + 1])
                if distributed.is_main_process():
                    state.history.append(measure(job, state, data.corpus, examples_seen + seen))
                    add_point(state.history[-1])
                state.totals = {}
            if checkpoint.is_due():
                checkpoint.save(state)
    network.eval()
    if state.step > first_step:
        checkpoint.save(state)


def fit_to_data(params: TrainingParams, num_reviews: int) -> TrainingParams:
    """Return the hyperparameters of a phase, with smaller batches if there are few reviews."""
    batch_size = shrink(
        params.batch_size, MIN_BATCH_SIZE, lambda n: params.epochs * math.ceil(num_reviews / n)
    )
    return params.model_copy(update={"batch_size": batch_size})


def warmup_cosine(done: float) -> float:
    """Return the learning rate relative to its peak: linear warm-up, then cosine decay to zero.

    `done` is the fraction of the steps that are done; 1e-4 keeps the first step from being zero.
    """
    return min(1.0, (done + 1e-4) / WARMUP_FRACTION) * (1 + math.cos(math.pi * done)) / 2


def measure(job: Job, state: TrainState[Network], corpus: Corpus, examples_seen: int) -> Point:
    """Validate the network; return and log a point of the curves."""
    n = state.totals["n"]
    point = {
        "step": float(examples_seen),  # DVCLive's name of the x axis
        "train/loss": state.totals["loss"] / n,
        "train/accuracy": state.totals["correct"] / n,
    }
    message = f"loss {point['train/loss']:.3f}"
    if len(job.val_indices):
        state.network.eval()
        loss, accuracy = evaluate(state.network, corpus, job.val_indices)
        state.network.train()
        point |= {"validation/loss": loss, "validation/accuracy": accuracy}
        message += f", validation loss {loss:.3f}, validation accuracy {accuracy:.2%}"
    log(f"{job.label}, after {examples_seen:,} {text_noun(corpus.data_name)}s: {message}")
    return point


def evaluate(network: Network, corpus: Corpus, indices: Indices) -> tuple[float, float]:
    """Return the mean cross-entropy and the accuracy on some labelled reviews.

    Raises:
        UserError: If a probability is not finite.
    """
    probabilities = torch.from_numpy(predict_proba(network, [corpus[i] for i in indices]))
    if not probabilities.isfinite().all():
        raise UserError(
            "validation: a probability is not finite: the training diverged and no model is"
            " written; lower learning_rate in params.yaml"
        )
    labels = torch.from_numpy(corpus.labels[indices])
    tiny = torch.finfo(probabilities.dtype).tiny  # the log of 0 would be infinite
    loss = F.nll_loss(probabilities.clamp(min=tiny).log(), labels).item()
    return loss, (probabilities.argmax(1) == labels).double().mean().item()
