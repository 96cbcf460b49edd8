"""Stage `neighbours`: nearest neighbours of words in the embeddings, and a map of the words."""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from sklearn.decomposition import PCA

from stages.common.errors import UserError, run_main
from stages.common.files import write_csv
from stages.common.params import load_params
from stages.common.progress import log
from stages.imdb.corpus.corpus import SPECIAL_TOKENS, Ids, Indices
from stages.imdb.corpus.params import Imdb
from stages.imdb.models.batches import collate
from stages.imdb.models.classifiers import Network, logits_to_probs, word_embeddings
from stages.imdb.models.registry import NETWORKS
from stages.imdb.models.serialization import load_config, load_model, model_folders

Embeddings = npt.NDArray[np.float32]  # [words × embedding_dim]
Floats = npt.NDArray[np.float64]

NUM_NEIGHBOURS = 6
TOP_WORDS = 5_000  # most frequent words considered; the embeddings of rare words are noise
MAP_WORDS = 80  # words on the map
FALLBACK_WORDS = 6  # words whose neighbours are shown if the data have none of the wanted words


def nearest_neighbours(word: str, words: list[str], embeddings: Embeddings) -> pd.DataFrame:
    """Return the words with the largest cosine similarity: rank, neighbour, cosine.

    Args:
        word: One of `words`.
        words: The candidates.
        embeddings: Their embeddings, float32 [words × embedding_dim].
    """
    norms = np.linalg.norm(embeddings, axis=1)
    index = words.index(word)
    cosine = embeddings @ embeddings[index] / np.maximum(norms * norms[index], 1e-12)
    cosine[index] = -np.inf
    nearest = np.argsort(-cosine, kind="stable")[: min(NUM_NEIGHBOURS, len(words) - 1)]
    return pd.DataFrame(
        {
            "rank": range(1, len(nearest) + 1),
            "neighbour": [words[i] for i in nearest],
            "cosine": cosine[nearest],
        }
    )


@torch.inference_mode()
def predict_words(network: Network, ids: Ids) -> Floats:
    """Classify each word alone.

    Args:
        network: In evaluation mode.
        ids: int32 [words].

    Returns:
        float64 [words × classes]. In float32, the most confident predictions would all be 1.
    """
    return logits_to_probs(network(*collate([*ids[:, None]])).double()).numpy()


def most_polar_words(probabilities: Floats, count: int) -> Indices:
    """Return the indices of the words with the highest probabilities, the same number per class.

    Args:
        probabilities: Of each word alone, [words × classes].
        count: Number of words; at least one per class is returned.
    """
    per_class = max(1, count // probabilities.shape[1])
    top = np.argsort(-probabilities, axis=0, kind="stable")[:per_class]
    return np.array(list(dict.fromkeys(top.T.ravel())))  # without duplicates


def project_pca(embeddings: Embeddings, probabilities: Floats) -> Floats:
    """Project embeddings to their first two principal components.

    The sign of a component is arbitrary. It is chosen such that words of the last class are on the
    right, so that maps can be compared.

    Args:
        embeddings: float32 [words × embedding_dim].
        probabilities: Of each word alone, [words × classes].

    Returns:
        float64 [words × 2].
    """
    if len(embeddings) < 2:
        return np.zeros((len(embeddings), 2))
    points = PCA(2, svd_solver="full").fit_transform(embeddings.astype(np.float64))
    num_classes = probabilities.shape[1]
    points[:, 0] *= np.sign(points[:, 0] @ (probabilities[:, -1] - 1 / num_classes)) or 1
    points[:, 1] *= np.sign(points[np.abs(points[:, 1]).argmax(), 1]) or 1
    return np.asarray(points)


def choose_words(wanted: list[str], words: list[str], probabilities: Floats) -> list[str]:
    """Return the wanted words that are among `words`, or else the most polar ones of `words`.

    Words that are not among `words` are logged.

    Args:
        wanted: The words of the parameter `imdb.neighbour_words`.
        words: The most frequent words of the data.
        probabilities: Of each of `words` alone, [words × classes].
    """
    known = [word for word in wanted if word in words]
    if missing := ", ".join(repr(word) for word in wanted if word not in words):
        log(
            f"imdb.neighbour_words: {missing}: not among the {len(words):,} most frequent words of"
            " the data; ignored"
        )
    if not known:
        known = [words[i] for i in most_polar_words(probabilities, FALLBACK_WORDS)[:FALLBACK_WORDS]]
        log(f"imdb.neighbour_words: shown instead: {', '.join(known)}")
    return known


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--models", type=Path, required=True,
                        help="a subfolder per network; the first selects the words")  # fmt: skip
    parser.add_argument("--neighbours", type=Path, required=True, help="CSV to write")
    parser.add_argument("--map", type=Path, required=True, help="CSV to write")
    args = parser.parse_args()
    wanted = load_params(args.params, "imdb", Imdb).neighbour_words

    neighbours, maps = [], []
    shown: Indices | None = None
    folders = model_folders(args.models, NETWORKS)
    if not folders:
        raise UserError(f"{args.models}: no trained network; train them: dvc repro")
    for folder in folders.values():
        network, vocab = load_model(folder)
        config = load_config(folder)
        first, last = len(SPECIAL_TOKENS), len(SPECIAL_TOKENS) + TOP_WORDS
        words = vocab[first:last]
        embeddings = word_embeddings(network).numpy()[first : first + len(words)]
        probabilities = predict_words(network, np.arange(len(words), dtype=np.int32) + first)
        if shown is None:
            wanted = choose_words(wanted, words, probabilities)
            shown = most_polar_words(probabilities, MAP_WORDS)
        for word in wanted:
            table = nearest_neighbours(word, words, embeddings)
            table.insert(0, "word", word)
            table.insert(0, "model", config.model)
            neighbours.append(table)
        points = project_pca(embeddings[shown], probabilities[shown])
        maps.append(
            pd.DataFrame(
                {
                    "model": config.model,
                    "word": [words[i] for i in shown],
                    "x": points[:, 0],
                    "y": points[:, 1],
                    "predicted": np.array(config.classes)[probabilities[shown].argmax(axis=1)],
                    "probability": probabilities[shown].max(axis=1),
                }
            )
        )
    write_csv(args.neighbours, pd.concat(neighbours))
    write_csv(args.map, pd.concat(maps))


if __name__ == "__main__":
    run_main(main)
