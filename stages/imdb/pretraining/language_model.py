"""A language model: predict the next word of a review from the words before it.

A. M. Dai and Q. V. Le, "Semi-supervised Sequence Learning" (2015), start their classifier from such
a model. The softmax over 30,000 words is the expensive part. Against a random sample of words it
costs a thirtieth (Y. Bengio and J.-S. Senécal, "Adaptive Importance Sampling to Accelerate Training
of a Neural Probabilistic Language Model", 2008).
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  its name in every PyTorch text

from stages.imdb.corpus.corpus import PAD, Corpus, Ids, Indices
from stages.imdb.models.classifiers import HashedBigramEmbedding, init_embedding_
from stages.imdb.models.device import CPU, autocast, get_matmul_dtype

State = tuple[Tensor, Tensor]
CHUNK = 512  # positions per chunk of the softmax on a CPU: their logits stay in its cache
READAHEAD = 32  # windows of text read at a time
BOS = np.array([PAD], np.int32)  # beginning of a review; a language model has no padding
UNIGRAM_POWER = 0.75  # exponent of the word counts when sampling (Mikolov et al. 2013)


class LanguageModel(nn.Module):
    """Embedding → LSTM → projection → logits, by the same embedding (Press & Wolf 2017).

    `embedding`, `bigrams` and `lstm` are those of `LSTMClassifier`. `dropout` applies to the
    embeddings, with one mask for all words of a window (Gal & Ghahramani 2016, "A Theoretically
    Grounded Application of Dropout in Recurrent Neural Networks"), and to the states of the LSTM.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int,
        hidden_size: int,
        num_buckets: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        init_embedding_(self.embedding)
        self.bigrams = HashedBigramEmbedding(num_buckets, embedding_dim) if num_buckets else None
        self.lstm = nn.LSTM(embedding_dim, hidden_size, batch_first=True)
        self.projection = nn.Linear(hidden_size, embedding_dim)
        self.bias = nn.Parameter(torch.zeros(vocab_size))
        self.matmul_dtype = get_matmul_dtype("auto", CPU)

    def forward(
        self, window: Tensor, state: State | None, sampled: Tensor, log_expected_count: Tensor
    ) -> tuple[Tensor, State]:
        """Return the loss of predicting each word of a window from the words before it.

        Args:
            window: int [batch × (bptt + 1)], word ids.
            state: The LSTM's state after the words before; None at the beginning.
            sampled: int64 [num_sampled], the negative samples.
            log_expected_count: float32 [num_sampled], see `Sampler`.

        Returns:
            The mean cross-entropy in nats per word, estimated from the sample, and the new state,
            detached.
        """
        outputs, state = self.encode(window[:, :-1], state)
        targets = window[:, 1:].flatten().long()
        return self.sampled_loss(outputs.flatten(0, 1), targets, sampled, log_expected_count), state

    def encode(self, ids: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Return the output after each word, float32 [batch × bptt × embedding_dim], and the state.

        The logit of a word is its embedding times the output, plus its bias.
        """
        words = self.embedding(ids)
        if self.bigrams is not None:
            # The first word of a window has none, although a word precedes it in the stream.
            words = words + self.bigrams(ids)
        words = F.dropout1d(words.transpose(1, 2), self.dropout, self.training).transpose(1, 2)
        with autocast(ids.device, self.matmul_dtype):
            states, (h, c) = self.lstm(words, state)
            outputs = self.projection(F.dropout(states, self.dropout, self.training))
        return outputs.float(), (h.detach(), c.detach())

    def sampled_loss(
        self, outputs: Tensor, targets: Tensor, sampled: Tensor, log_expected_count: Tensor
    ) -> Tensor:
        """Return the sampled softmax loss.

        A sampled word stands for 1 / expected count words, hence `- log_expected_count`.

        Args:
            outputs: float32 [positions × embedding_dim].
            targets: int64 [positions], the words that follow.
            sampled, log_expected_count: See `forward`.
        """
        weight, bias = self.embedding.weight, self.bias
        sample_index = torch.full_like(bias, -1, dtype=torch.int64)
        sample_index[sampled] = torch.arange(len(sampled), device=bias.device)
        target_logits = (outputs * weight[targets]).sum(1) + bias[targets]
        biases = bias[sampled] - log_expected_count
        loss: Tensor = SampledSoftmax.apply(  # type: ignore[no-untyped-call]
            outputs, target_logits, weight[sampled], biases, sample_index[targets],
            self.matmul_dtype,
        )  # fmt: skip
        return loss


class SampledSoftmax(torch.autograd.Function):
    """Cross-entropy of the target against a sample of other words, with its gradient.

    `forward` also computes the gradient, chunk by chunk while the logits of a chunk are in the
    cache. With `F.cross_entropy` over the target's logit and the sampled logits, which keeps the
    logits of all positions, a training step takes 1.14 times as long (Intel Xeon with AMX, one
    thread, medians of 9 rounds of `python -m benchmarks.optim`).
    """

    @staticmethod
    def forward(
        ctx: Any,
        outputs: Tensor,
        target_logits: Tensor,
        sampled_weight: Tensor,
        biases: Tensor,
        accidental_hits: Tensor,
        dtype: torch.dtype,
    ) -> Tensor:
        """Return the mean loss.

        Args:
            outputs: float32 [positions × embedding_dim].
            target_logits: float32 [positions].
            sampled_weight: float32 [num_sampled × embedding_dim], embeddings of the sample.
            biases: float32 [num_sampled].
            accidental_hits: int64 [positions], where the target is in the sample, or -1.
            dtype: Of the matrix products.
        """
        count = len(outputs)
        d_outputs, d_target = torch.empty_like(outputs), torch.empty_like(target_logits)
        d_weight, d_biases = torch.zeros_like(sampled_weight), torch.zeros_like(biases)
        weight = sampled_weight.to(dtype)
        loss = 0.0
        size = CHUNK if outputs.device.type == "cpu" else count
        for begin in range(0, count, size):
            chunk = slice(begin, begin + size)
            output = outputs[chunk].to(dtype)
            logits = (output @ weight.T).to(biases) + biases  # chunk × num_sampled
            # The target is not a wrong answer, even if the sample contains it.
            hit = accidental_hits[chunk].clamp(min=0)[:, None]
            is_hit = accidental_hits[chunk, None] >= 0
            logits.scatter_(1, hit, logits.gather(1, hit).masked_fill(is_hit, -torch.inf))
            log_total = torch.logaddexp(logits.logsumexp(1), target_logits[chunk])
            loss += float((log_total - target_logits[chunk]).sum())
            d_target[chunk] = ((target_logits[chunk] - log_total).exp() - 1) / count
            d_logits = (logits.sub_(log_total[:, None])).exp_().div_(count)
            d_biases += d_logits.sum(0)
            d_logits = d_logits.to(dtype)
            d_outputs[chunk] = (d_logits @ weight).to(outputs)
            d_weight += (d_logits.T @ output).to(sampled_weight)
        ctx.save_for_backward(d_outputs, d_target, d_weight, d_biases)
        return outputs.new_tensor(loss / count)

    @staticmethod
    def backward(ctx: Any, *gradient: Any) -> Any:
        return *(gradient[0] * saved for saved in ctx.saved_tensors), None, None


class Sampler:
    """Draws negative samples: distinct words, in proportion to a power of their counts.

    Attributes:
        num_sampled: Words per sample.
        log_expected_count: float32 [vocab_size], the logarithm of how often a word is expected in a
            sample.
    """

    def __init__(self, counts: Tensor, num_sampled: int) -> None:
        """`counts`: int64 [vocab_size], the number of occurrences of each word."""
        weights = counts.double().clamp(min=1) ** UNIGRAM_POWER
        self.probabilities = weights / weights.sum()
        self.num_sampled = min(num_sampled, len(counts) // 2)
        self.log_expected_count = log_inclusion(self.probabilities, self.num_sampled).float()

    def draw(self) -> Tensor:
        """Return distinct words, int64 [num_sampled], from PyTorch's generator."""
        return torch.multinomial(self.probabilities, self.num_sampled)


def log_inclusion(probabilities: Tensor, num_sampled: int) -> Tensor:
    """Return the logarithm of the chance of each word to be in a sample of distinct words.

    To draw distinct words one after the other is to wait until `num_sampled` words have arrived, if
    word i arrives at a random time with the rate p_i. Until time t it arrives with the probability
    1 − exp(−t p_i). We take the t at which `num_sampled` words are expected (B. Rosén, "Asymptotic
    Theory for Successive Sampling with Varying Probabilities Without Replacement", 1972).

    Args:
        probabilities: float64 [vocab_size], of a word in a single draw.
        num_sampled: Words per sample, fewer than `vocab_size`.

    Returns:
        float64 [vocab_size].
    """
    low, high = float(num_sampled), num_sampled / float(probabilities.min())
    while high - low > 1e-9 * high:  # bisection: the expected number increases with t
        t = (low + high) / 2
        if -torch.expm1(-t * probabilities).sum() < num_sampled:
            low = t
        else:
            high = t
    return torch.log(-torch.expm1(-high * probabilities))


class BpttStreams:
    """All reviews in random order, each after BOS, split into streams of the same length.

    Attributes:
        length: Words per stream.
    """

    def __init__(
        self, corpus: Corpus, indices: Indices, batch_size: int, rng: np.random.Generator
    ) -> None:
        """`indices`: int64, the reviews to read; `batch_size`: the number of streams."""
        self.corpus = corpus
        self.order = rng.permutation(indices)
        self.ends = np.cumsum(corpus.lengths[self.order] + 1)
        self.length = int(self.ends[-1]) // batch_size

    def read(self, streams: Iterable[int], start: int, stop: int) -> Ids:
        """Return the words from `start` to `stop` of some streams, int32 [streams × words]."""
        return np.stack(
            [self._read(i * self.length + start, i * self.length + stop) for i in streams]
        )

    def windows(self, streams: Indices, bptt: int, begin: int, end: int) -> Iterator[Tensor]:
        """Yield the windows from number `begin` to `end`, int32 [streams × (bptt + 1)]."""
        for first in range(begin, end, READAHEAD):
            last = min(first + READAHEAD, end)
            text = torch.from_numpy(self.read(streams, first * bptt, last * bptt + 1))
            for i in range(last - first):
                yield text[:, i * bptt : (i + 1) * bptt + 1]

    def _read(self, start: int, stop: int) -> Ids:
        """Return the words from `start` to `stop` of all streams joined."""
        first, last = np.searchsorted(self.ends, [start, stop - 1], side="right")
        pieces: list[Ids] = []
        for review in self.order[first : last + 1]:
            pieces += (BOS, self.corpus[review])
        skipped = start - (int(self.ends[first - 1]) if first else 0)
        return np.concatenate(pieces)[skipped : skipped + stop - start]
