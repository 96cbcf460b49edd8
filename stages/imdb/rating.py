"""Stage: rate the test reviews, once, with the trained network of every seed."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from stages.common.errors import run
from stages.common.progress import progress
from stages.imdb.batches import in_order_of_length, pad
from stages.imdb.predictions import Predictions, write
from stages.imdb.reviews import Ids
from stages.imdb.reviews import load as load_reviews
from stages.imdb.saved import Network, describe, load

TOKENS = 16_384  # padded, in a batch: enough to be fast, little enough to stay in the caches


@torch.inference_mode()
def rate(
    network: Network, reviews: Sequence[Ids], label: str | None = None
) -> npt.NDArray[np.float32]:
    """The probability that each review is good.

    Args:
        network: in evaluation mode.
        reviews: the word ids of each review, int32 [review_len].
        label: shown with the progress; none is shown without.

    Returns:
        float32 [reviews], in the order of `reviews`.
    """
    probabilities = np.empty(len(reviews), dtype=np.float32)
    lengths = np.array([len(ids) for ids in reviews], dtype=np.int64)
    batches = in_order_of_length(lengths, TOKENS)
    if label:
        batches = progress(batches, len(reviews), label, "review", size=len)
    for places in batches:
        ids, lens = pad([reviews[i] for i in places])
        probabilities[places] = torch.sigmoid(network(ids, lens)).numpy()
    return probabilities


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--reviews", type=Path, required=True, help="over the model's vocabulary")
    parser.add_argument("--predictions", type=Path, required=True)
    args = parser.parse_args()

    reviews = load_reviews(args.reviews)
    test = [reviews[i] for i in reviews.where("test")]
    description = describe(args.model)
    probabilities = []
    for seed in description.seeds:
        network, _ = load(args.model, seed)
        probabilities.append(rate(network, test, f"{description.model}, seed {seed}: rating"))
    write(
        Predictions(
            model=description.model,
            data=description.data,
            parameters=sum(weight.numel() for weight in network.parameters()),
            seeds=description.seeds,
            probabilities=np.stack(probabilities),
        ),
        args.predictions,
    )


if __name__ == "__main__":
    run(main)
