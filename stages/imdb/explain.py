"""Which words moved a rating, and how far: numbers that add up to the logit."""

import numpy as np
import numpy.typing as npt
import torch

from stages.imdb.batches import pad
from stages.imdb.models import PAD, LSTMClassifier, MeanClassifier
from stages.imdb.reviews import Ids

STEPS = 64  # of the integral; its error is about a hundredth of a logit


def contributions(
    network: MeanClassifier | LSTMClassifier, ids: Ids, logit: int = 0
) -> tuple[npt.NDArray[np.float32], float]:
    """How much each word adds to a logit.

    Args:
        network: in evaluation mode.
        ids: int32 [review_len], at least one.
        logit: its number; two classes have only one.

    Returns:
        float32 [review_len], above 0 towards good, or the logit's class, and the rest of the logit,
        which no word of this review is the cause of. Together they are the logit: exactly for the
        mean, up to the error of a numerical integral for the LSTM.
    """
    if isinstance(network, MeanClassifier):
        return _of_mean(network, ids, logit)
    return _of_lstm(network, ids, logit)


@torch.inference_mode()
def _of_mean(
    network: MeanClassifier, ids: Ids, logit: int
) -> tuple[npt.NDArray[np.float32], float]:
    """The average and the output layer are linear: each embedding's share can be read off."""
    batch, _ = pad([ids])
    with_pairs = network.with_pairs(batch)[0].long()
    shares = network.embedding.weight[with_pairs] @ network.output.weight[logit]
    shares = shares.masked_fill(with_pairs == PAD, 0) / (with_pairs != PAD).sum()
    words = shares[: len(ids)].clone()
    pairs = shares[len(ids) :] / 2  # half of a pair's share to each of its words
    words[: len(pairs)] += pairs
    words[1 : 1 + len(pairs)] += pairs
    return words.numpy(), network.output.bias[logit].item()


def _of_lstm(
    network: LSTMClassifier, ids: Ids, logit: int
) -> tuple[npt.NDArray[np.float32], float]:
    """Integrated gradients (Sundararajan, Taly & Yan 2017), from embeddings that are all zero.

    What a pair of words adds is its second word's.
    """
    batch, lengths = pad([ids])
    embeddings = network.embed(batch).detach()  # 1 × review_len × embedding_dim
    gradient = torch.zeros_like(embeddings)
    for step in range(STEPS):
        point = (embeddings * (step + 0.5) / STEPS).requires_grad_()
        network.rate(point, lengths).flatten()[logit].backward()
        assert point.grad is not None  # noqa: S101  it was asked for
        gradient += point.grad / STEPS
    network.zero_grad()
    words = (embeddings * gradient).sum(dim=2)[0]
    with torch.inference_mode():
        rest = network.rate(torch.zeros_like(embeddings), lengths).flatten()[logit].item()
    return words.numpy(), rest
