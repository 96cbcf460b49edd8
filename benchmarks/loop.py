"""The training loop of `stages.imdb.training.trainer` without its files, one step at a time."""

import math
from collections.abc import Iterator

import numpy as np
import torch

from stages.imdb.corpus.corpus import Corpus, Indices
from stages.imdb.corpus.params import TrainingParams
from stages.imdb.engine import distributed, optim
from stages.imdb.engine.checkpoint import TrainState
from stages.imdb.models.batches import bucketed_batches, collate, drop_words, random_crop
from stages.imdb.models.classifiers import Network
from stages.imdb.training.job import Phase
from stages.imdb.training.objective import training_step
from stages.imdb.training.trainer import warmup_cosine


def train_steps(
    network: Network, corpus: Corpus, indices: Indices, params: TrainingParams, seed: int
) -> Iterator[int]:
    """Train a network in place on labelled reviews, to the weights that `train_phase` returns.

    Validation, curves and checkpoints are left out: no other contender has them.

    Yields:
        The number of words in each step.
    """
    state = TrainState(network, optim.build_optimizers(network), seed)
    phase = Phase("training", params)
    targets = torch.from_numpy(np.eye(len(corpus.classes), dtype=np.float32)[corpus.labels])
    lengths = np.minimum(corpus.lengths[indices], params.max_length)
    num_steps = params.epochs * math.ceil(len(indices) / params.batch_size)
    network.train()
    for epoch in range(params.epochs):
        for positions in bucketed_batches(lengths, params.batch_size, state.epoch_rng(epoch)):
            rng, batch = state.seed_step(), indices[positions]
            crops = [random_crop(corpus[i], params.max_length, rng) for i in batch]
            reviews = [drop_words(ids, params.word_dropout, rng) for ids in crops]
            ids, review_lens = collate(reviews)
            lr = params.learning_rate * warmup_cosine(state.step / num_steps)
            shard = distributed.shard_batch(len(batch))
            training_step(network, state, phase, (ids, review_lens, targets[batch]), shard, lr)
            state.step += 1
            yield int(review_lens.sum())
    network.eval()
