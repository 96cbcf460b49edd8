"""The language model: its loss and gradients, its samples, its streams of text."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  its name in every PyTorch text

from stages.common.errors import UserError
from stages.imdb.corpus.corpus import PAD
from stages.imdb.models.classifiers import LSTMClassifier, bigram_buckets
from stages.imdb.pretraining import language_model
from stages.imdb.pretraining.language_model import (
    BpttStreams,
    LanguageModel,
    SampledSoftmax,
    Sampler,
)
from stages.imdb.pretraining.trainer import fit_to_data
from tests.imdb.test_classifiers import random_bigrams
from tests.imdb.training_setup import make_corpus, make_params

VOCAB_SIZE = 50


def test_the_sampled_softmax_has_the_gradient_of_the_cross_entropy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(language_model, "CHUNK", 3)
    torch.manual_seed(0)
    leaves = [
        torch.randn(size, dtype=torch.float64, requires_grad=True)
        for size in [(7, 4), (7,), (5, 4), (5,)]
    ]
    outputs, target_logits, weight, biases = leaves
    hits = torch.tensor([-1, 2, -1, 0, 4, -1, -1])
    loss = SampledSoftmax.apply(*leaves, hits, torch.float64)  # type: ignore[no-untyped-call]
    loss.backward()

    logits = outputs @ weight.T + biases
    is_hit = torch.zeros(7, 5, dtype=torch.bool)
    is_hit[[1, 3, 4], [2, 0, 4]] = True
    all_logits = torch.cat([target_logits[:, None], logits.masked_fill(is_hit, -torch.inf)], dim=1)
    expected = F.cross_entropy(all_logits, torch.zeros(7, dtype=torch.int64))
    torch.testing.assert_close(loss, expected)
    gradients = torch.autograd.grad(expected, leaves)
    for leaf, gradient in zip(leaves, gradients, strict=True):
        torch.testing.assert_close(leaf.grad, gradient)


def test_words_are_sampled_as_often_as_expected() -> None:
    torch.manual_seed(0)
    sampler = Sampler(torch.arange(1, 2_001), 100)
    draws = torch.stack([sampler.draw() for _ in range(1_000)])
    assert all(len(draw.unique()) == 100 for draw in draws[:50]), "distinct words"
    frequency = torch.bincount(draws.flatten(), minlength=2_000) / 1_000
    expected = sampler.log_expected_count.exp()
    for words in (slice(200, 1_000), slice(1_000, 2_000)):
        assert (frequency[words].sum() / expected[words].sum()).item() == pytest.approx(1, abs=0.05)
    assert expected[1_500:].mean() > 1.5 * expected[:1_000].mean(), "frequent words more often"


def test_expected_counts_are_those_of_distinct_words() -> None:
    """With replacement, a rare word would be expected up to 1.5 times less often than it occurs."""
    torch.manual_seed(0)
    sampler = Sampler((1e6 / torch.arange(1, 401) ** 1.5).long(), 150)
    draws = torch.stack([sampler.draw() for _ in range(4_000)])
    frequency = torch.bincount(draws.flatten(), minlength=400) / 4_000
    expected = sampler.log_expected_count.exp()
    assert expected.sum().item() == pytest.approx(150, abs=1e-3)
    for words in (slice(0, 50), slice(50, 150), slice(150, 250), slice(250, 400)):
        ratio = (frequency[words].sum() / expected[words].sum()).item()
        assert ratio == pytest.approx(1, abs=0.02)


def test_the_classifier_starts_from_the_language_model() -> None:
    model = random_bigrams(LanguageModel(VOCAB_SIZE, 6, 5, num_buckets=31))
    classifier = LSTMClassifier(VOCAB_SIZE, 6, 5, num_buckets=31)
    missing, _ = classifier.load_state_dict(model.state_dict(), strict=False)
    assert missing == ["output.weight", "output.bias"]
    for name in ("embedding.weight", "bigrams.weight", "lstm.weight_hh_l0"):
        assert torch.equal(classifier.get_parameter(name), model.get_parameter(name))


def test_the_language_model_reads_bigrams() -> None:
    model = LanguageModel(VOCAB_SIZE, 6, 5, num_buckets=1_000)
    ids = torch.tensor([[3, 4, PAD, 4, 3]])
    with torch.no_grad():
        before, _ = model.encode(ids, None)
        random_bigrams(model)
        [first, *others] = bigram_buckets(ids, 1_000)[0].tolist()
        after, _ = model.encode(ids, None)
        assert torch.equal(before[0, 0], after[0, 0]), "the first word ends no bigram"
        assert not torch.allclose(before[0, 1], after[0, 1])
        assert others[:2] == [0, 0], "next to the begin of a review"
        model.get_parameter("bigrams.weight")[[first, others[2]]] = 0
        torch.testing.assert_close(model.encode(ids, None)[0], before)


def test_dropout_has_one_mask_for_all_words_of_a_window() -> None:
    torch.manual_seed(0)
    model = LanguageModel(VOCAB_SIZE, 40, 5, dropout=0.25)
    inputs: list[Tensor] = []
    model.lstm.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    ids = torch.full((200, 3), 7)
    model.encode(ids, None)
    model.eval().encode(ids, None)
    trained, evaluated = inputs
    embedding = model.embedding.weight[7]
    assert torch.equal(evaluated, embedding.expand(200, 3, 40))
    kept = trained != 0
    assert torch.equal(kept, kept[:, :1].expand_as(kept)), "the same for each word"
    assert kept.double().mean().item() == pytest.approx(0.75, abs=0.02)
    torch.testing.assert_close(trained[kept], (embedding / 0.75).expand_as(kept)[kept])


def test_dropout_applies_to_the_states_of_the_lstm() -> None:
    torch.manual_seed(0)
    model = LanguageModel(VOCAB_SIZE, 6, 50, dropout=0.25)
    inputs: list[Tensor] = []
    model.projection.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    model.encode(torch.randint(2, VOCAB_SIZE, (20, 30)), None)
    assert (inputs[0] == 0).double().mean().item() == pytest.approx(0.25, abs=0.02)


def test_streams_are_the_shuffled_reviews_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, indices = make_corpus(), np.arange(3, 17)
    streams = BpttStreams(corpus, indices, 5, np.random.default_rng(1))
    order = np.random.default_rng(1).permutation(indices)
    text = np.concatenate([[PAD, *corpus[i]] for i in order])
    whole = streams.read(range(5), 0, streams.length)
    assert np.array_equal(whole.ravel(), text[: whole.size])
    assert len(text) - whole.size < 5
    assert np.array_equal(streams.read([4, 1], 2, 9), whole[[4, 1], 2:9])
    monkeypatch.setattr(language_model, "READAHEAD", 3)
    windows = [*streams.windows(np.array([0, 3]), 4, 2, 9)]
    expected = [whole[[0, 3], 4 * i : 4 * i + 5] for i in range(2, 9)]
    assert np.array_equal(np.stack(windows), np.stack(expected))


@pytest.mark.parametrize(
    ("num_words", "epochs", "expected", "steps"),
    [
        (20_000_000, 1, (128, 64), 2_441),
        (128 * (100 * 64 + 1), 1, (128, 64), 100),
        (128 * (100 * 64 + 1) - 1, 1, (64, 64), 200),
        (30_000, 1, (8, 32), 117),
        (2_641, 1, (8, 8), 41),
        (2_641, 10, (8, 32), 10),
        (100, 1, (8, 8), 1),
        (50, 1, (4, 8), 1),
        (9, 1, (1, 8), 1),
    ],
)
def test_little_text_is_read_in_fewer_streams_and_shorter_windows(
    num_words: int, epochs: int, expected: tuple[int, int], steps: int,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    params = make_params().pretrain
    params = params.model_copy(update={"batch_size": 128, "bptt": 64, "epochs": epochs})
    corpus = make_corpus(np.array([1, 1]))  # a review and its BOS are two words
    corpus.offsets[:] = [0, num_words - 3, num_words - 2]
    fitted, steps_per_epoch = fit_to_data(corpus, np.arange(2), params)
    assert (fitted.batch_size, fitted.bptt) == expected
    assert steps_per_epoch == steps
    log = capsys.readouterr().err
    assert (f"batch_size {expected[0]} instead of 128" in log) == (expected[0] < 128)
    assert (f"bptt {expected[1]} instead of 64" in log) == (expected[1] < 64)
    assert (f"will hardly learn in {epochs * steps} step" in log) == (epochs * steps < 100)


def test_too_little_text_is_refused() -> None:
    corpus = make_corpus(np.array([3, 3]))
    with pytest.raises(UserError, match="8 words are too little text; add texts"):
        fit_to_data(corpus, np.arange(2), make_params().pretrain)
