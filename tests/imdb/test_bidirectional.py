"""Networks that read backwards: their corpus, their training, and both directions as one model."""

from pathlib import Path

import numpy as np
import pytest
import torch

from stages.imdb.corpus.corpus import load_corpus
from stages.imdb.figures import embedding_neighbours
from stages.imdb.figures.architecture import draw_lstm
from stages.imdb.models.batches import collate
from stages.imdb.models.classifiers import (
    BidirectionalClassifier,
    LSTMClassifier,
    flip_reviews,
    word_embeddings,
)
from stages.imdb.models.inference import predict_proba
from stages.imdb.models.serialization import load_config, load_model
from stages.imdb.pretraining import main as pretraining
from stages.imdb.training import main as training
from tests.clone import ROOT
from tests.imdb.call import call
from tests.imdb.training_site import Site


def train(site: Site, **changes: object) -> None:
    """Train the language models and the classifiers in this process, one after the other."""
    with pytest.MonkeyPatch.context() as patch:
        for what, stage in (("pretrain", pretraining), ("lstm", training)):
            patch.setattr(stage, "train_side_by_side", lambda train, jobs: [*map(train, jobs)])
            _, *args = site.command("x", what, **changes)
            if what == "lstm":
                args += ["--pretrained", str(site.folder / "x" / "pretrain")]
            call(stage.main, *args)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Return a site where both language models and both classifiers have been trained."""
    site = Site(tmp_path_factory.mktemp("both"))
    train(site, lstm={"bidirectional": True})
    return site


def test_reviews_are_flipped_and_padding_stays() -> None:
    ids, lengths = collate([np.array(ids, np.int32) for ids in ([2, 3, 4], [5, 6], [7])])
    expected = [[4, 3, 2], [6, 5, 0], [7, 0, 0]]
    assert flip_reviews(ids, lengths).tolist() == expected
    pairs = torch.stack([ids, -ids], dim=2)
    assert flip_reviews(pairs, lengths)[:, :, 1].tolist() == (-torch.tensor(expected)).tolist()


def test_the_logits_of_both_directions_are_averaged() -> None:
    torch.manual_seed(0)
    forwards, backwards = (LSTMClassifier(50, 6, 5, num_buckets=31).eval() for _ in range(2))
    for network in (forwards, backwards):
        torch.nn.init.normal_(network.get_parameter("bigrams.weight")[1:])
    reviews = [np.array(ids, np.int32) for ids in ([3, 9, 9, 14, 2], [7, 8], [6])]
    with torch.inference_mode():
        both = BidirectionalClassifier(forwards, backwards)(*collate(reviews))
        first = forwards(*collate(reviews))
        second = backwards(*collate([ids[::-1] for ids in reviews]))
    assert not torch.allclose(first, second, atol=1e-3)
    torch.testing.assert_close(both, (first + second) / 2, atol=2e-3, rtol=1e-2)


def test_training_backwards_equals_training_on_reversed_reviews(site: Site, tmp_path: Path) -> None:
    reverse = Site(tmp_path / "reverse", reverse=True)
    corpora = (load_corpus(site.folder / "corpus", backward=True),
               load_corpus(reverse.folder / "corpus"))  # fmt: skip
    assert all(np.array_equal(corpora[0][i], corpora[1][i]) for i in range(66))
    train(reverse)
    for what in ("pretrain", "lstm"):
        expected, weights = reverse.weights("x", what), site.weights("x", what, backward=True)
        assert weights.keys() == expected.keys()
        assert all(torch.equal(weights[name], expected[name]) for name in weights), what
        forward = site.weights("x", what)
        assert not torch.equal(forward["embedding.weight"], weights["embedding.weight"])


def test_both_directions_have_curves(site: Site) -> None:
    assert {Path(name).parts[0] for name in site.curves("x", "lstm")} == {
        "seed-1", "seed-1-backward",
    }  # fmt: skip
    assert {*site.curves("x", "pretrain")} == {
        "plots/metrics/pretrain/loss.tsv", "backward/plots/metrics/pretrain/loss.tsv",
    }  # fmt: skip


def test_both_directions_are_one_model(site: Site, tmp_path: Path) -> None:
    folder = site.folder / "x" / "lstm"
    network, vocab = load_model(folder)
    assert isinstance(network, BidirectionalClassifier)
    corpus = load_corpus(site.folder / "corpus")
    reviews = [corpus[i] for i in range(10)]
    logits = [
        torch.logit(torch.from_numpy(predict_proba(one, texts)[:, 1]).double())
        for one, texts in (
            (network, reviews),
            (network.forwards, reviews),
            (network.backwards, [ids[::-1] for ids in reviews]),
        )
    ]
    torch.testing.assert_close(logits[0], (logits[1] + logits[2]) / 2, atol=1e-2, rtol=1e-2)
    assert word_embeddings(network).shape == (
        len(vocab),
        2 * network.forwards.embedding.embedding_dim,
    )
    draw_lstm(network, vocab, load_config(folder)).savefig(tmp_path / "lstm.png")
    models = tmp_path / "models"
    models.mkdir()
    (models / "lstm").symlink_to(folder)
    call(
        embedding_neighbours.main, "--params", ROOT / "params.yaml", "--models", models,
        "--neighbours", tmp_path / "neighbours.csv", "--map", tmp_path / "map.csv",
    )  # fmt: skip
    assert (tmp_path / "neighbours.csv").read_text().startswith("model,word,")
