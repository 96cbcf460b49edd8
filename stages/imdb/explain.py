"""Attribute a prediction to the words of the text. The attributions and the bias sum to the logit.

The logit is that of the second class if there are two classes, else of the given class.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from stages.imdb.corpus.corpus import Ids
from stages.imdb.linear.serialization import LinearModel, extract_ngrams
from stages.imdb.models.batches import collate
from stages.imdb.models.classifiers import MeanEmbeddingClassifier, Network, SequenceClassifier

Attributions = npt.NDArray[np.float32]  # [review_len]

IG_STEPS = 64  # of the numerical integral; its error is about a hundredth of a logit
BATCH_TOKENS = 8_192  # words per batch of steps


def attributions(network: Network, ids: Ids, logit: int = 0) -> tuple[Attributions, float]:
    """Return how much each word adds to a logit of a network.

    Args:
        network: In evaluation mode.
        ids: int32 [review_len], at least one word.
        logit: Index of the logit. With two classes there is only one logit.

    Returns:
        The attributions, float32 [review_len], and the bias, the part of the logit that does not
        depend on the words. Their sum is the logit: exactly for the mean, up to the error of a
        numerical integral for the networks that read the words in order.
    """
    if isinstance(network, MeanEmbeddingClassifier):
        return _linear_attributions(network, ids, logit)
    return _integrated_gradients(network, ids, logit)


def ngram_attributions(
    model: LinearModel, tokens: Sequence[str], label: int
) -> tuple[Attributions, float]:
    """Return how much each word adds to a logit of the linear model, and the bias.

    The contribution of an n-gram is divided equally between its occurrences, and the share of an
    occurrence equally between its words.

    Args:
        model: The linear model.
        tokens: The words of the text.
        label: Index of the class.
    """
    contributions, bias = model.contributions(tokens, label)
    counts = Counter(extract_ngrams(tokens, model.size))
    words = np.zeros(len(tokens), np.float32)
    for n in range(1, model.size + 1):
        for i in range(len(tokens) - n + 1):
            ngram = " ".join(tokens[i : i + n])
            words[i : i + n] += contributions.get(ngram, 0.0) / counts[ngram] / n
    return words, bias


@torch.inference_mode()
def _linear_attributions(
    network: MeanEmbeddingClassifier, ids: Ids, logit: int
) -> tuple[Attributions, float]:
    """Split the logit into its summands: the average and the output layer are linear.

    The attribution of a bigram is divided equally between its two words.
    """
    batch, _ = collate([ids])
    weight = network.output.weight[logit]
    words = network.embedding(batch)[0] @ weight
    if network.bigrams is not None:
        halves = network.bigrams(batch)[0] @ weight / 2  # zero at the first word
        words += halves
        words[:-1] += halves[1:]
        words /= 2 * len(ids) - 1
    else:
        words /= len(ids)
    return words.numpy(), network.output.bias[logit].item()


def _integrated_gradients(
    network: SequenceClassifier, ids: Ids, logit: int
) -> tuple[Attributions, float]:
    """Integrate the gradient from a baseline of zero embeddings (Sundararajan et al. 2017).

    The bias is the logit of the baseline. The attribution of a bigram goes to the word of it that
    is read second.
    """
    batch, lengths = collate([ids])
    embeddings = network.embed(batch).detach()  # 1 × review_len × embedding_dim
    gradient = torch.zeros_like(embeddings)
    steps = (torch.arange(IG_STEPS) + 0.5) / IG_STEPS
    for fractions in steps.split(max(1, BATCH_TOKENS // len(ids))):
        points = (fractions[:, None, None] * embeddings).requires_grad_()
        logits = network.classify(points, lengths.expand(len(points)))
        [gradients] = torch.autograd.grad(logits.reshape(len(points), -1)[:, logit].sum(), points)
        gradient += gradients.sum(dim=0) / IG_STEPS
    words = (embeddings * gradient).sum(dim=2)[0]
    with torch.inference_mode():
        baseline = network.classify(torch.zeros_like(embeddings), lengths)
    return words.numpy(), baseline.flatten()[logit].item()
