"""Stage: what the embeddings learned, as words that came to lie near each other."""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from sklearn.decomposition import PCA

from stages.common import params
from stages.common.errors import StageError, run
from stages.common.files import write_csv
from stages.common.progress import say
from stages.imdb.batches import pad
from stages.imdb.models import probabilities
from stages.imdb.params import Imdb
from stages.imdb.reviews import Ids
from stages.imdb.saved import Network, describe, load

Ratings = npt.NDArray[np.float64]  # [words × classes]

NEIGHBOURS = 6
FREQUENT = 5_000  # the words considered: rarer ones were seen too seldom to tell us much
LADEN = 80  # words on the map


def embeddings(network: Network, words: int) -> npt.NDArray[np.float32]:
    """The embeddings of the first `words` ids, float32 [words × embedding_dim]."""
    return network.embedding.weight.detach().numpy()[:words]


def neighbours(word: str, words: list[str], matrix: npt.NDArray[np.float32]) -> pd.DataFrame:
    """The words whose embeddings point most nearly the same way: neighbour, cosine.

    Args:
        word: one of `words`.
        words: the candidates.
        matrix: their embeddings, float32 [words × embedding_dim].
    """
    lengths = np.linalg.norm(matrix, axis=1)
    place = words.index(word)
    cosine = matrix @ matrix[place] / np.maximum(lengths * lengths[place], 1e-12)
    cosine[place] = -np.inf
    nearest = np.argsort(-cosine, kind="stable")[:NEIGHBOURS]
    return pd.DataFrame({"neighbour": [words[i] for i in nearest], "cosine": cosine[nearest]})


@torch.inference_mode()
def rated(network: Network, ids: Ids) -> Ratings:
    """What the network says of each word alone: float64, as in float32 the surest would all be 1.

    Args:
        network: in evaluation mode.
        ids: int32 [words].
    """
    return probabilities(network(*pad([*ids[:, None]])).double()).numpy()


def laden(ratings: Ratings) -> npt.NDArray[np.int64]:
    """The places of the words that say most about their text, as many for each class."""
    surest = np.argsort(-ratings, axis=0, kind="stable")[: LADEN // ratings.shape[1]]
    return np.array(list(dict.fromkeys(surest.T.ravel())))  # no word twice


def flat(matrix: npt.NDArray[np.float32], ratings: Ratings) -> npt.NDArray[np.float64]:
    """Embeddings in the plane of their two first principal components, the good to the right.

    Args:
        matrix: float32 [words × embedding_dim].
        ratings: of each word alone.

    Returns:
        float64 [words × 2].
    """
    points = PCA(2, svd_solver="full").fit_transform(matrix.astype(np.float64))
    # The sign of a component is arbitrary: fix it, so that two maps can be compared.
    points[:, 0] *= np.sign(points[:, 0] @ (ratings[:, -1] - 1 / ratings.shape[1])) or 1
    points[:, 1] *= np.sign(points[np.abs(points[:, 1]).argmax(), 1]) or 1
    return np.asarray(points)


def those_known(wanted: list[str], frequent: list[str]) -> list[str]:
    """Of the words to be shown those that can be; that others cannot is told.

    Raises:
        StageError: when there is none; names the parameter and the mend.
    """
    known = [word for word in wanted if word in frequent]
    if missing := ", ".join(repr(word) for word in wanted if word not in frequent):
        why = f"not among the {len(frequent):,} most frequent words of these texts"
        if not known:
            raise StageError(f"imdb.words: {missing}: {why}; choose others, {frequent[0]!r} say")
        say(f"imdb.words: {missing}: {why}, so not shown")
    return known


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--models", type=Path, nargs="+", required=True, help="first the mean")
    parser.add_argument("--neighbours", type=Path, required=True)
    parser.add_argument("--map", type=Path, required=True)
    args = parser.parse_args()
    wanted = params.load(args.params, "imdb", Imdb).words

    tables, maps = [], []
    shown: npt.NDArray[np.int64] | None = None
    for folder in args.models:
        network, words = load(folder)
        about = describe(folder)
        model = about.model
        frequent = words[2 : FREQUENT + 2]  # after <pad> and <unk>
        matrix = embeddings(network, len(words))[2 : FREQUENT + 2]
        if shown is None:
            wanted = those_known(wanted, frequent)
        for word in wanted:
            table = neighbours(word, frequent, matrix)
            tables.append(table.assign(model=model, word=word, rank=range(1, len(table) + 1)))
        ratings = rated(network, np.arange(2, len(frequent) + 2, dtype=np.int32))
        if shown is None:  # the same words on every map: those the first model has a mind about
            shown = laden(ratings)
        points = flat(matrix[shown], ratings[shown])
        maps.append(
            pd.DataFrame(
                {
                    "model": model,
                    "word": [frequent[i] for i in shown],
                    "x": points[:, 0],
                    "y": points[:, 1],
                    "rated": np.array(about.classes)[ratings[shown].argmax(axis=1)],
                    "probability": ratings[shown].max(axis=1),
                }
            )
        )
    columns = ["model", "word", "rank", "neighbour", "cosine"]
    write_csv(args.neighbours, pd.concat(tables)[columns])
    write_csv(args.map, pd.concat(maps))


if __name__ == "__main__":
    run(main)
