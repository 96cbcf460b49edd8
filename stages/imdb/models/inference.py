"""Class probabilities of reviews by trained networks."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch

from stages.common.processes import cpu_count
from stages.common.progress import progress
from stages.imdb.corpus.corpus import Ids, Indices
from stages.imdb.models.batches import collate, length_sorted_batches
from stages.imdb.models.classifiers import Network, logits_to_probs
from stages.imdb.models.device import device_of

Probabilities = npt.NDArray[np.float32]

MAX_TOKENS = 16_384  # padded tokens per batch: large enough to be fast, and fits the caches


def predict_proba(network: Network, reviews: Sequence[Ids]) -> Probabilities:
    """Return the probability of each class for each review.

    Args:
        network: In evaluation mode.
        reviews: Word ids of each review, int32 [review_len].

    Returns:
        float32 [reviews × num_classes], in the order of `reviews`.
    """
    probabilities = np.empty((len(reviews), network.num_classes), dtype=np.float32)
    for indices in _batches(reviews):
        probabilities[indices] = predict_batch(network, [reviews[i] for i in indices])
    return probabilities


def predict_proba_each(
    networks: Sequence[Network], reviews: Sequence[Ids], desc: str
) -> Probabilities:
    """Return the probabilities that each network predicts.

    Each processor works on a batch of its own with one thread.

    Args:
        networks: In evaluation mode, all for the same classes.
        reviews: Word ids of each review, int32 [review_len].
        desc: Label of the progress.

    Returns:
        float32 [networks × reviews × num_classes].
    """
    shape = (len(networks), len(reviews), networks[0].num_classes)
    probabilities = np.empty(shape, dtype=np.float32)

    def work(task: tuple[int, Indices]) -> int:
        number, indices = task
        batch = [reviews[i] for i in indices]
        probabilities[number, indices] = predict_batch(networks[number], batch)
        return len(indices)

    tasks = [(number, batch) for number in range(len(networks)) for batch in _batches(reviews)]
    with ThreadPoolExecutor(cpu_count(), "predict", torch.set_num_threads, (1,)) as executor:
        try:
            done = executor.map(work, tasks)
            total = len(networks) * len(reviews)
            for _ in progress(done, total, desc, "texts", size=lambda n: n):
                pass
        finally:  # after Ctrl-C, do not work through the remaining batches
            executor.shutdown(cancel_futures=True)
    return probabilities


@torch.inference_mode()
def predict_batch(network: Network, reviews: Sequence[Ids]) -> Probabilities:
    """Do `predict_proba` in a single batch."""
    ids, lengths = (tensor.to(device_of(network)) for tensor in collate(reviews))
    return logits_to_probs(network(ids, lengths)).cpu().numpy()


def _batches(reviews: Sequence[Ids]) -> Iterator[Indices]:
    lengths = np.array([len(ids) for ids in reviews], dtype=np.int64)
    return length_sorted_batches(lengths, MAX_TOKENS)
