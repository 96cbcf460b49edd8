"""The shapes in the drawings of the networks are those of one review."""

import re

import pytest
from matplotlib.text import Text

from stages.imdb.figures.architecture import draw_lstm, draw_mean
from stages.imdb.models.classifiers import LSTMClassifier, MeanEmbeddingClassifier
from stages.imdb.models.serialization import ModelConfig

WORDS = ["<pad>", "<unk>", "what", "a", "great", "film", "!"]


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("model", ["mean", "mean of pairs", "lstm", "lstm of pairs"])
def test_every_shape_is_that_of_a_batch_of_one(model: str, classes: int) -> None:
    about = ModelConfig(
        model="lstm" if "lstm" in model else "mean",
        data="made up",
        classes=["a", "b", "c"][:classes],
        seeds=[1],
        sizes={"vocabulary": len(WORDS), "embedding_dim": 8},
    )
    buckets = 1_000 if "pairs" in model else 0
    if "lstm" in model:
        lstm = LSTMClassifier(len(WORDS), 8, 6, buckets=buckets, classes=classes).eval()
        figure = draw_lstm(lstm, WORDS, about)
        expected = {"review_len × embedding_dim": "5 × 8", "review_len × hidden": "5 × 6"}
        expected |= {"3 hidden": "18"}
    else:
        network = MeanEmbeddingClassifier(len(WORDS), 8, buckets, classes).eval()
        figure = draw_mean(network, WORDS, about)
        expected = {"review_len × dictionary": f"5 × {len(WORDS) + buckets:,}"}
        expected |= {"review_len × embedding_dim": "5 × 8", "embedding_dim": "8"}
    texts = [str(text.get_text()) for text in figure.findobj(Text)]
    assert any("word + pair" in text for text in texts) == (model == "lstm of pairs")
    shapes = [text.replace("\n", " ") for text in texts if text.startswith("batch × ")]
    drawn = dict(re.findall(r"^batch × (.+?) (1 × [\d ×,]+)$", "\n".join(shapes), re.MULTILINE))
    assert drawn == {name: f"1 × {shape}" for name, shape in expected.items()}
