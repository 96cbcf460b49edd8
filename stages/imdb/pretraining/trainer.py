"""Train the language model: data, model, optimizer, schedule, loop, checkpoint."""

import math
from collections.abc import Iterable
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
from stages.imdb.engine.steps import log_fit, shrink
from stages.imdb.models.device import device_of, get_matmul_dtype, seed_everything
from stages.imdb.pretraining.language_model import BpttStreams, LanguageModel, Sampler

LOG_POINTS = 50  # points of the loss curve
WARMUP_STEPS = 100  # during which the learning rate rises; at most a quarter of all steps
MIN_STREAMS, MIN_BPTT = 8, 8  # if there is little text


def new_state(vocab_size: int, params: Imdb, device: torch.device) -> TrainState[LanguageModel]:
    """Return a language model with initial weights, and its optimizers."""
    seed_everything(params.pretrain.seed)
    model = LanguageModel(
        vocab_size,
        params.embedding_dim,
        params.lstm.hidden_size,
        params.lstm.bigram_buckets,
        params.pretrain.dropout,
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
    params, steps_per_epoch = fit_to_data(corpus, indices, params)
    steps = params.epochs * steps_per_epoch
    warmup_steps = min(WARMUP_STEPS, steps / 4)
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
    steps_left: Iterable[int] = range(first_step, steps)
    if distributed.is_main_process():
        desc = "pretrain, backward" if corpus.backward else "pretrain"
        line = int(corpus.backward)
        steps_left = progress(steps_left, steps, desc, "steps", first_step, position=line)
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
            schedule = min(1, (step + 1) / warmup_steps) * (1 - step / steps)
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


def fit_to_data(corpus: Corpus, indices: Indices, params: Pretrain) -> tuple[Pretrain, int]:
    """Shorten the windows and use fewer streams, if there is little text.

    Returns:
        The parameters, possibly with a smaller `batch_size` and `bptt`, and the number of steps per
        epoch.

    Raises:
        UserError: If there is too little text for one step.
    """
    num_words = int(corpus.lengths[indices].sum()) + len(indices)

    def steps(batch_size: int, bptt: int) -> int:
        return params.epochs * max(0, (num_words // batch_size - 1) // bptt)

    batch_size = shrink(params.batch_size, MIN_STREAMS, lambda n: steps(n, params.bptt))
    bptt = shrink(params.bptt, MIN_BPTT, lambda n: steps(batch_size, n))
    batch_size = shrink(batch_size, 1, lambda n: steps(n, bptt), min_steps=1)
    if not steps(batch_size, bptt):
        raise UserError(f"pretrain: {num_words:,} words are too little text; add texts")
    fitted = params.model_copy(update={"batch_size": batch_size, "bptt": bptt})
    if distributed.is_main_process():
        log_fit("imdb.pretrain", params, fitted, steps(batch_size, bptt))
    return fitted, steps(batch_size, bptt) // params.epochs
