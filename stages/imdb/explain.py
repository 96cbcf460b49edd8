"""Attribute a prediction to the words of the review. The attributions sum to the logit."""

import numpy as np
import numpy.typing as npt
import torch

from stages.imdb.corpus.corpus import PAD, Ids
from stages.imdb.models.batches import collate
from stages.imdb.models.classifiers import LSTMClassifier, MeanEmbeddingClassifier, Network

IG_STEPS = 64  # of the numerical integral; its error is about a hundredth of a logit


def attributions(
    network: Network, ids: Ids, logit: int = 0
) -> tuple[npt.NDArray[np.float32], float]:
    """Return how much each word adds to a logit.

    Args:
        network: In evaluation mode.
        ids: int32 [review_len], at least one word.
        logit: Index of the logit. With two classes there is only one logit.

    Returns:
        The attributions, float32 [review_len], and the bias, the part of the logit that does not
        depend on the words. Their sum is the logit: exactly for the mean, up to the error of a
        numerical integral for the LSTM.
    """
    if isinstance(network, MeanEmbeddingClassifier):
        return _linear_attributions(network, ids, logit)
    return _integrated_gradients(network, ids, logit)


@torch.inference_mode()
def _linear_attributions(
    network: MeanEmbeddingClassifier, ids: Ids, logit: int
) -> tuple[npt.NDArray[np.float32], float]:
    """Split the logit into its summands: the average and the output layer are linear.

    The attribution of a bigram is divided equally between its two words.
    """
    batch, _ = collate([ids])
    all_ids = network.append_bigrams(batch)[0].long()  # 2 review_len − 1 with bigrams
    summands = network.embedding.weight[all_ids] @ network.output.weight[logit]
    summands = summands.masked_fill(all_ids == PAD, 0) / (all_ids != PAD).sum()
    words = summands[: len(ids)].clone()
    bigrams = summands[len(ids) :] / 2
    words[: len(bigrams)] += bigrams
    words[1 : 1 + len(bigrams)] += bigrams
    return words.numpy(), network.output.bias[logit].item()


def _integrated_gradients(
    network: LSTMClassifier, ids: Ids, logit: int
) -> tuple[npt.NDArray[np.float32], float]:
    """Integrate the gradient from a baseline of zero embeddings (Sundararajan et al. 2017).

    The bias is the logit of the baseline. The attribution of a bigram goes to its second word.
    """
    batch, lengths = collate([ids])
    embeddings = network.embed(batch).detach()  # 1 × review_len × embedding_dim
    baseline = torch.zeros_like(embeddings)
    gradient = torch.zeros_like(embeddings)
    for step in range(IG_STEPS):
        point = (embeddings * (step + 0.5) / IG_STEPS).requires_grad_()
        network.classify(point, lengths).flatten()[logit].backward()
        assert point.grad is not None  # noqa: S101  backward() sets it
        gradient += point.grad / IG_STEPS
    network.zero_grad()
    words = (embeddings * gradient).sum(dim=2)[0]
    with torch.inference_mode():
        bias = network.classify(baseline, lengths).flatten()[logit].item()
    return words.numpy(), bias
