"""Train the language model: data, model, optimizer, schedule, loop, checkpoint."""

import math
from dataclasses import replace
from pathlib import Path

import torch

from stages.common.errors import UserError
from stages.common.progress import progress
from stages.imdb.corpus.corpus import PAD, Corpus, Indices
from stages.imdb.corpus.params import Imdb, Pretrain
from stages.imdb.engine import distributed, optim
from stages.imdb.engine.checkpoint import Checkpoint, TrainState
from stages.imdb.engine.curves import live_curves
from stages.imdb.models.device import device_of, get_matmul_dtype, seed_everything
from stages.imdb.pretraining.language_model import BpttStreams, LanguageModel, Sampler

LOG_POINTS = 50  # points of the loss curve
WARMUP_STEPS = 100  # during which the learning rate rises


def new_state(vocab_size: int, params: Imdb, device: torch.device) -> TrainState[LanguageModel]:
    """Return a language model with initial weights, and its optimizers."""
    seed_everything(params.pretrain.seed)
    model = LanguageModel(
        vocab_size, params.embedding_dim, params.lstm.hidden_size, params.lstm.bigram_buckets
    )
    model.matmul_dtype = get_matmul_dtype(params.train.precision, device)
    model.to(device)
    return TrainState(model, optim.build_optimizers(model), params.pretrain.seed)


def train_language_model(
    state: TrainState[LanguageModel],
    corpus: Corpus,
    indices: Indices,
    params: Pretrain,
    checkpoint: Checkpoint,
    live: Path,
) -> None:
    """Train `state.network` in place on reviews; their labels are not used.

    The reviews are joined to `batch_size` streams. Each rank reads its shard of the streams and
    carries the LSTM's state from one window to the next.

    Args:
        state: A new state. If there is a checkpoint, the training continues from there.
        corpus: All reviews.
        indices: int64, the reviews to train on.
        params: The section `imdb.pretrain` of the parameters.
        checkpoint: Where to save the state.
        live: Folder for the curve.

    Raises:
        UserError: If the training diverges, or there is too little text.
    """
    network, device = state.network, device_of(state.network)
    steps = num_steps(corpus, indices, params)
    steps_per_epoch = steps // params.epochs
    word_counts = corpus.word_counts(indices)
    word_counts[PAD] = len(indices)  # BOS before each review
    sampler = Sampler(torch.from_numpy(word_counts), params.num_sampled)
    log_expected_count = sampler.log_expected_count.to(device)

    checkpoint.resume(state)
    shard = distributed.shard_batch(params.batch_size)
    local = torch.from_numpy(shard.indices).to(device)
    hidden = {name: tensor[:, local] for name, tensor in state.hidden_state.items()}
    first_step = state.step
    model = distributed.wrap(network)
    network.train()
    steps_left = progress(range(first_step, steps), steps, "pretrain", "steps", first_step)
    with live_curves(live, state.history) as add_point:
        for step in steps_left:
            epoch, i = divmod(step, steps_per_epoch)
            if i == 0:
                hidden = {}
            if i == 0 or step == first_step:
                streams = BpttStreams(corpus, indices, params.batch_size, state.epoch_rng(epoch))
                windows = streams.windows(shard.indices, params.bptt, i, steps_per_epoch)

            # Forward, backward and update. All ranks draw the same negative samples.
            state.seed_step()
            sampled = sampler.draw().to(device)
            window = next(windows).to(device)
            lstm_state = (hidden["h"].contiguous(), hidden["c"].contiguous()) if hidden else None
            loss, (h, c) = model(window, lstm_state, sampled, log_expected_count[sampled])
            hidden = {"h": h, "c": c}
            distributed.scale_loss(loss, shard).backward()
            optim.clip_grad_norm(network)
            schedule = min(1, (step + 1) / WARMUP_STEPS) * (1 - step / steps)
            optim.step(state.optimizers, params.learning_rate * schedule)
            state.step += 1

            # Log and save. Rank 0 decides when to save, and all ranks take part.
            mean_loss, is_due = distributed.all_reduce_sum(
                loss.item() * shard.loss_weight, checkpoint.is_due()
            )
            if not math.isfinite(mean_loss):
                raise UserError(
                    f"pretrain: the loss of step {state.step} is {mean_loss}: the training"
                    " diverged; lower imdb.pretrain.learning_rate in params.yaml"
                )
            state.accumulate(loss=mean_loss, n=1)
            if state.step % max(1, steps // LOG_POINTS) == 0:
                loss_since = state.totals["loss"] / state.totals["n"]
                state.history.append({"step": state.step, "pretrain/loss": loss_since})
                state.totals = {}
                add_point(state.history[-1])
            if is_due:
                gathered = {
                    name: distributed.gather_batch(tensor, 1, shard, params.batch_size)
                    for name, tensor in hidden.items()
                }
                checkpoint.save(replace(state, hidden_state=gathered))


def num_steps(corpus: Corpus, indices: Indices, params: Pretrain) -> int:
    """Return the number of training steps.

    Raises:
        UserError: If there is too little text for one step.
    """
    num_words = int(corpus.lengths[indices].sum()) + len(indices)
    steps_per_epoch = (num_words // params.batch_size - 1) // params.bptt
    if steps_per_epoch < 1:
        raise UserError(
            f"pretrain: {num_words:,} words are too few for imdb.pretrain.batch_size ="
            f" {params.batch_size} and bptt = {params.bptt}; lower them in params.yaml"
        )
    return params.epochs * steps_per_epoch
