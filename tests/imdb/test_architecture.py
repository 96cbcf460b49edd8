"""The shapes in the figures of the networks are those of one review."""

import re
from typing import Any

import pytest
import torch
from matplotlib.text import Text

from stages.imdb.figures import architecture
from stages.imdb.figures.architecture import draw_lstm, draw_mean, trace_example
from stages.imdb.models.classifiers import LSTMClassifier, MeanEmbeddingClassifier
from stages.imdb.models.serialization import ModelConfig

VOCAB = ["<pad>", "<unk>", "what", "a", "great", "film", "!"]


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("model", ["mean", "mean with bigrams", "lstm", "lstm with bigrams"])
def test_every_shape_is_that_of_a_batch_of_one_review(model: str, num_classes: int) -> None:
    config = ModelConfig(
        model="lstm" if "lstm" in model else "mean",
        data_name="IMDB, official split",
        classes=["a", "b", "c"][:num_classes],
        seeds=[1],
        kwargs={"vocab_size": len(VOCAB), "embedding_dim": 8},
    )
    buckets = 1_000 if "bigrams" in model else 0
    if "lstm" in model:
        lstm = LSTMClassifier(
            len(VOCAB), 8, hidden_size=6, num_buckets=buckets, num_classes=num_classes
        )
        figure = draw_lstm(lstm.eval(), VOCAB, config)
        expected = {"review_len × embedding_dim": "5 × 8", "review_len × hidden": "5 × 6"}
        expected |= {"3 hidden": "18"}
    else:
        mean = MeanEmbeddingClassifier(len(VOCAB), 8, buckets, num_classes)
        figure = draw_mean(mean.eval(), VOCAB, config)
        expected = {"review_len × dictionary": f"5 × {len(VOCAB)}"}
        expected |= {"review_len × embedding_dim": "5 × 8", "embedding_dim": "8"}
    texts = [str(text.get_text()) for text in figure.findobj(Text)]
    words = {"lstm with bigrams": "word + bigram", "mean with bigrams": "8,008 of bigrams"}
    for name, note in words.items():
        assert any(note in text for text in texts) == (model == name)
    shapes = [text.replace("\n", " ") for text in texts if text.startswith("batch × ")]
    drawn = dict(re.findall(r"^batch × (.+?) (1 × [\d ×,]+)$", "\n".join(shapes), re.MULTILINE))
    assert drawn == {name: f"1 × {shape}" for name, shape in expected.items()}


def test_the_average_is_that_of_the_words_and_the_bigrams(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[torch.Tensor] = []
    original = architecture.to_colors

    def to_colors(values: torch.Tensor) -> Any:
        drawn.append(values)
        return original(values)

    monkeypatch.setattr(architecture, "to_colors", to_colors)
    mean = MeanEmbeddingClassifier(len(VOCAB), 4, num_buckets=1_000).eval()
    assert mean.bigrams is not None
    torch.nn.init.normal_(mean.bigrams.weight)
    with torch.no_grad():
        mean.bigrams.weight[0] = 0
    averages: list[torch.Tensor] = []
    mean.output.register_forward_hook(lambda module, inputs, output: averages.append(inputs[0]))
    draw_mean(mean, VOCAB, ModelConfig(model="mean", data_name="x", classes=["a", "b"], seeds=[1],
                                       kwargs={}))  # fmt: skip
    torch.testing.assert_close(drawn[-1], averages[0])


def test_words_that_are_not_in_the_vocabulary_are_replaced_by_frequent_ones() -> None:
    vocab = ["<pad>", "<unk>", "the", "a", "movie", "of", "it", "and"]
    example = trace_example(MeanEmbeddingClassifier(len(vocab), 8), vocab)
    assert example.words == ["a", "the", "movie", "of", "it"]
