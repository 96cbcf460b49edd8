"""Stage: rate the test reviews, once, with the trained network of every seed."""

import argparse
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from stages.common.errors import run
from stages.common.processes import processors
from stages.common.progress import progress
from stages.imdb.batches import in_order_of_length, pad
from stages.imdb.device import device_of
from stages.imdb.models import probabilities
from stages.imdb.predictions import Predictions, write
from stages.imdb.reviews import Ids, Indices
from stages.imdb.reviews import load as load_reviews
from stages.imdb.saved import Network, describe, load

Ratings = npt.NDArray[np.float32]

TOKENS = 16_384  # padded, in a batch: enough to be fast, little enough to stay in the caches


def rate(network: Network, reviews: Sequence[Ids]) -> Ratings:
    """How likely each class is, for each review.

    Args:
        network: in evaluation mode.
        reviews: the word ids of each review, int32 [review_len].

    Returns:
        float32 [reviews × classes], in the order of `reviews`.
    """
    ratings = np.empty((len(reviews), network.classes), dtype=np.float32)
    for places in batches_of(reviews):
        ratings[places] = rate_batch(network, [reviews[i] for i in places])
    return ratings


def rate_by_all(networks: Sequence[Network], reviews: Sequence[Ids], label: str) -> Ratings:
    """What each network says of each review, float32 [networks × reviews × classes].

    As in training, a processor works on one thread, each on a batch of its own. `label` is shown
    with the progress.
    """
    ratings = np.empty((len(networks), len(reviews), networks[0].classes), dtype=np.float32)

    def work(task: tuple[int, Indices]) -> int:
        number, places = task
        batch = [reviews[i] for i in places]
        ratings[number, places] = rate_batch(networks[number], batch)
        return len(places)

    tasks = [(number, places) for number in range(len(networks)) for places in batches_of(reviews)]
    with ThreadPoolExecutor(processors(), "rate", torch.set_num_threads, (1,)) as executor:
        try:
            done = executor.map(work, tasks)
            for _ in progress(
                done, len(networks) * len(reviews), label, "reviews", size=lambda n: n
            ):
                pass
        finally:  # Ctrl-C does not wait for all the others
            executor.shutdown(cancel_futures=True)
    return ratings


@torch.inference_mode()
def rate_batch(network: Network, reviews: Sequence[Ids]) -> Ratings:
    """`rate` for as many reviews as the network should see at once."""
    ids, lengths = (part.to(device_of(network)) for part in pad(reviews))
    return probabilities(network(ids, lengths)).cpu().numpy()


def batches_of(reviews: Sequence[Ids]) -> Iterator[Indices]:
    """Group the reviews by length; the places of each group."""
    lengths = np.array([len(ids) for ids in reviews], dtype=np.int64)
    return in_order_of_length(lengths, TOKENS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--reviews", type=Path, required=True, help="over the model's vocabulary")
    parser.add_argument("--predictions", type=Path, required=True)
    args = parser.parse_args()

    reviews = load_reviews(args.reviews)
    test = [reviews[i] for i in reviews.where("test")]
    description = describe(args.model)
    networks = [load(args.model, seed)[0] for seed in description.seeds]
    write(
        Predictions(
            model=description.model,
            data=description.data,
            classes=description.classes,
            parameters=sum(weight.numel() for weight in networks[0].parameters()),
            seeds=description.seeds,
            probabilities=rate_by_all(networks, test, f"{description.model}: rating"),
        ),
        args.predictions,
    )


if __name__ == "__main__":
    run(main)
