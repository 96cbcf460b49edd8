"""Teach the LSTM the language first: to guess each review's next word, whatever its label.

A. M. Dai and Q. V. Le, "Semi-supervised Sequence Learning" (2015), start their classifier from such
a language model. Guessing one of 30,000 words is the dear part; against a random sample of them it
costs a thirtieth (Y. Bengio and J.-S. Senécal, "Adaptive Importance Sampling to Accelerate Training
of a Neural Probabilistic Language Model", 2008).
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stages.common.errors import StageError
from stages.imdb import together
from stages.imdb.adam import clip, optimizers_of
from stages.imdb.checkpoint import Run
from stages.imdb.device import CPU, autocast, deterministic, device_of, fast_dtype
from stages.imdb.models import PAD, PairEmbedding, start
from stages.imdb.params import Pretrain
from stages.imdb.reviews import Ids, Indices, Reviews

State = tuple[Tensor, Tensor]
WARM_UP = 100  # steps over which the learning rate rises
CHUNK = 512  # guesses at a time: their logits stay in the processor's cache
STRETCH = 32  # windows of text that are read at a time
BOUNDARY = np.array([PAD], np.int32)
SMOOTHING = 0.75  # exponent of the words' counts for the sample (Mikolov et al. 2013)


class LanguageModel(nn.Module):
    """Embedding → LSTM → projection → the next word's embedding.

    The embedding matrix also scores the guesses (Press & Wolf 2017, "Using the Output Embedding to
    Improve Language Models"). `embedding`, `pairs` and `lstm` are those of
    `models.LSTMClassifier`.
    """

    def __init__(self, vocabulary: int, embedding_dim: int, hidden: int, buckets: int = 0) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding_dim)
        start(self.embedding)
        self.pairs = PairEmbedding(buckets, embedding_dim) if buckets else None
        self.lstm = nn.LSTM(embedding_dim, hidden, batch_first=True)
        self.projection = nn.Linear(hidden, embedding_dim)
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, ids: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Guess the next word after each word.

        Args:
            ids: int [batch × steps].
            state: the LSTM's after the words before, None at the beginning.

        Returns:
            The guesses, float32 [batch × steps × embedding_dim]: the logit of a word is its
            embedding times the guess, plus its bias. And the new state, cut from the gradient.
        """
        words = self.embedding(ids)
        if self.pairs is not None:
            # A window's first word has none, though in the stream a word came before it.
            words = words + self.pairs(ids)
        with autocast(ids.device):
            states, (h, c) = self.lstm(words, state)
            guesses = self.projection(states)
        return guesses.float(), (h.detach(), c.detach())


class SampledSoftmax(torch.autograd.Function):
    """Cross-entropy of the right word against a sample of others, forward and backward at once.

    Forward computes the gradients too, chunk by chunk while a chunk's logits are in the cache; they
    are a thousand times as large as anything that has to be kept.
    """

    @staticmethod
    def forward(
        ctx: Any, guesses: Tensor, right: Tensor, rows: Tensor, biases: Tensor, hits: Tensor
    ) -> Tensor:
        """The mean loss of `guesses`.

        Args:
            guesses: float32 [guesses × embedding_dim].
            right: float32 [guesses], the logit of each right word.
            rows, biases: float32 [sample × embedding_dim] and [sample], of the sampled words.
            hits: int64 [guesses], the place of the right word in the sample, or -1.
        """
        count = len(guesses)
        d_guesses, d_right = torch.empty_like(guesses), torch.empty_like(right)
        d_rows, d_biases = torch.zeros_like(rows), torch.zeros_like(biases)
        fast_type = fast_dtype(rows.device)
        fast_rows = rows.to(fast_type)
        loss = 0.0
        for begin in range(0, count, CHUNK):
            chunk = slice(begin, begin + CHUNK)
            fast = guesses[chunk].to(fast_type)
            logits = (fast @ fast_rows.T).to(biases) + biases  # chunk × sample
            hit = hits[chunk].clamp(min=0)[:, None]
            # The right word is no wrong answer, also where the sample happens to hold it.
            logits.scatter_(
                1, hit, logits.gather(1, hit).masked_fill(hits[chunk, None] >= 0, -torch.inf)
            )
            total = torch.logaddexp(logits.logsumexp(1), right[chunk])
            loss += float((total - right[chunk]).sum())
            d_right[chunk] = ((right[chunk] - total).exp() - 1) / count
            d_logits = (logits.sub_(total[:, None])).exp_().div_(count)
            d_biases += d_logits.sum(0)
            d_fast = d_logits.to(fast_type)
            d_guesses[chunk] = (d_fast @ fast_rows).to(guesses)
            d_rows += (d_fast.T @ fast).to(rows)
        ctx.save_for_backward(d_guesses, d_right, d_rows, d_biases)
        return guesses.new_tensor(loss / count)

    @staticmethod
    def backward(ctx: Any, *gradient: Any) -> Any:
        return *(gradient[0] * saved for saved in ctx.saved_tensors), None


class Sampler:
    """Draws words, frequent ones more often, and knows how likely each was to be drawn."""

    def __init__(self, counts: Tensor, size: int) -> None:
        """`counts` [vocabulary]: how often each word occurs; `size`: words in a sample."""
        share = counts.double().clamp(min=1) ** SMOOTHING
        self.share = share / share.sum()
        self.size = min(size, len(counts) // 2)
        self.log_chance = torch.log(-torch.expm1(-self.size * self.share)).float()

    def draw(self) -> Tensor:
        """Different words, int64 [size]."""
        return torch.multinomial(self.share, self.size)


def loss(model: LanguageModel, guesses: Tensor, targets: Tensor, sampler: Sampler) -> Tensor:
    """The mean cross-entropy of the guesses, estimated from a sample of the vocabulary.

    A sampled word stands for 1 / chance words of its kind, hence `- log_chance`.

    Args:
        guesses: float32 [guesses × embedding_dim].
        targets: int64 [guesses], the words that do follow.
    """
    weight, bias = model.embedding.weight, model.bias
    drawn = sampler.draw()
    sample = drawn.to(bias.device)
    place = torch.full_like(bias, -1, dtype=torch.int64)
    place[sample] = torch.arange(len(sample), device=bias.device)
    right = (guesses * weight[targets]).sum(1) + bias[targets]
    biases = bias[sample] - sampler.log_chance[drawn].to(bias)
    mean: Tensor = SampledSoftmax.apply(guesses, right, weight[sample], biases, place[targets])  # type: ignore[no-untyped-call]
    return mean


class Streams:
    """All reviews end to end in random order, PAD before each, cut into streams of one length.

    Attributes:
        length: words in a stream.
    """

    def __init__(
        self, reviews: Reviews, places: Indices, batch: int, generator: np.random.Generator
    ) -> None:
        """`places` [reviews]: the numbers of those to read; `batch`: streams."""
        self.reviews = reviews
        self.order = generator.permutation(places)
        self.ends = np.cumsum(reviews.lengths[self.order] + 1)
        self.length = int(self.ends[-1]) // batch

    def read(self, streams: Iterable[int], start: int, stop: int) -> Ids:
        """The words from `start` to before `stop` of some streams, int32 [streams × words]."""
        return np.stack(
            [self._read(i * self.length + start, i * self.length + stop) for i in streams]
        )

    def windows(self, streams: Iterable[int], steps: int, begin: int, end: int) -> Iterator[Tensor]:
        """From window number `begin` to before `end`: `steps` words and the one that follows.

        Yields:
            int32 [streams × (steps + 1)].
        """
        for first in range(begin, end, STRETCH):
            last = min(first + STRETCH, end)
            text = torch.from_numpy(self.read(streams, first * steps, last * steps + 1))
            for i in range(last - first):
                yield text[:, i * steps : (i + 1) * steps + 1]

    def _read(self, start: int, stop: int) -> Ids:
        """The words from `start` to before `stop` of all streams end to end."""
        first, last = np.searchsorted(self.ends, [start, stop - 1], side="right")
        pieces: list[Ids] = []
        for review in self.order[first : last + 1]:
            pieces += (BOUNDARY, self.reviews[review])
        skipped = start - (int(self.ends[first - 1]) if first else 0)
        return np.concatenate(pieces)[skipped : skipped + stop - start]


def begin(
    vocabulary: int,
    embedding_dim: int,
    hidden: int,
    buckets: int,
    seed: int,
    device: torch.device = CPU,
) -> Run[LanguageModel]:
    """A language model that has not learned anything, and its optimiser."""
    deterministic(seed)
    model = LanguageModel(vocabulary, embedding_dim, hidden, buckets).to(device)
    return Run(model, optimizers_of(model), seed)


def pretrain(
    run: Run[LanguageModel], reviews: Reviews, places: Indices, settings: Pretrain
) -> Iterator[float]:
    """Train the run's language model in place, on reviews whose labels are not looked at.

    Each process of a group reads streams of its own; the state that is carried is that of all.

    Yields:
        The loss of each step; the run may be saved then.

    Raises:
        StageError: when the training diverges; names the step and the mend.
    """
    model = run.network
    steps = steps_of(reviews, places, settings)
    steps_an_epoch = steps // settings.epochs
    counts = together.from_first(counts_of(reviews, places).tobytes() if together.leads() else b"")
    sampler = Sampler(torch.frombuffer(bytearray(counts), dtype=torch.int64), settings.sample)
    device, batch = device_of(model), settings.batch
    share = together.share(batch)
    own = torch.from_numpy(share.places)
    model.train()
    while run.step < steps:
        epoch, done = divmod(run.step, steps_an_epoch)
        if not done:
            run.carried = {}
        streams = Streams(reviews, places, batch, run.order(epoch))
        for text in streams.windows(share.places, settings.steps, done, steps_an_epoch):
            run.random()
            window = text.to(device)
            state = None
            if run.carried:
                h, c = (run.carried[name][:, own].contiguous() for name in ("h", "c"))
                state = (h, c)
            guesses, (h, c) = model(window[:, :-1], state)
            run.carried = {
                "h": together.whole(h, 1, share, batch),
                "c": together.whole(c, 1, share, batch),
            }
            value = loss(model, guesses.flatten(0, 1), window[:, 1:].flatten().long(), sampler)
            value.backward()
            together.add_up(model, share.weight)
            clip(model)
            rate = min(1, (run.step + 1) / WARM_UP) * (1 - run.step / steps)
            run.take_step(settings.learning_rate * rate)
            run.step += 1
            [mean] = together.total(value.item() * share.weight)
            if not math.isfinite(mean):
                raise StageError(
                    f"pretraining: the loss of step {run.step} is {mean}: the training"
                    " diverged; lower imdb.pretrain.learning_rate"
                )
            yield mean


def steps_of(reviews: Reviews, places: Indices, settings: Pretrain) -> int:
    """How many steps there are to pretrain.

    Raises:
        StageError: when there is too little text for one.
    """
    words = int(reviews.lengths[places].sum()) + len(places)
    steps_an_epoch = (words // settings.batch - 1) // settings.steps
    if steps_an_epoch < 1:
        raise StageError(
            f"pretraining: {words:,} words are too few for imdb.pretrain.batch ="
            f" {settings.batch} and steps = {settings.steps}; lower them"
        )
    return settings.epochs * steps_an_epoch


def counts_of(reviews: Reviews, places: Indices) -> Indices:
    """How often each word occurs in the streams of some reviews: int64 [vocabulary]."""
    counts = reviews.counts(places)
    counts[PAD] = len(places)
    return counts
