"""The two networks: padding, shapes, batches, and the gradients written by hand."""

import json
import subprocess
import sys
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from stages.common import params
from stages.common.errors import StageError
from stages.imdb import models, pretraining, rating, saved, vocabulary
from stages.imdb.adam import RowAdam, clip
from stages.imdb.batches import in_order_of_length, pad, shuffled
from stages.imdb.explain import contributions
from stages.imdb.fit import Lesson
from stages.imdb.models import PAD, LSTMClassifier, MeanClassifier, Network, distinct, pairs_of
from stages.imdb.params import LSTM, Imdb
from stages.imdb.predictions import Predictions, write
from stages.imdb.pretraining import LanguageModel, SampledSoftmax
from stages.imdb.reviews import Reviews
from stages.imdb.train import Task, lesson_of, load_pretrained, phases
from stages.imdb.training import (
    adversarial,
    begin,
    cross_entropy,
    cut,
    keep_words,
    plain,
    schedule,
    targets_of,
    train,
)
from tests.conftest import ROOT

VOCABULARY = 50
NetworkT = TypeVar("NetworkT", bound=nn.Module)
REVIEW = st.lists(st.integers(1, VOCABULARY - 1), min_size=1, max_size=40)


def networks() -> list[MeanClassifier | LSTMClassifier]:
    torch.manual_seed(0)
    return [
        MeanClassifier(VOCABULARY, 6).eval(),
        MeanClassifier(VOCABULARY, 6, buckets=31).eval(),
        LSTMClassifier(VOCABULARY, 6, hidden=5).eval(),
        MeanClassifier(VOCABULARY, 6, classes=3).eval(),
        LSTMClassifier(VOCABULARY, 6, hidden=5, classes=3).eval(),
        of_pairs(LSTMClassifier(VOCABULARY, 6, hidden=5, buckets=31)).eval(),
    ]


def of_pairs(network: NetworkT) -> NetworkT:
    """The pairs' embeddings begin as zero; a network for tests should have some that are not."""
    nn.init.normal_(network.get_parameter("pairs.weight")[1:], std=0.1)
    return network


NETWORKS = networks()


def array(ids: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array(ids, dtype=np.int32)


@pytest.mark.parametrize("network", NETWORKS)
@given(st.lists(REVIEW, min_size=1, max_size=8))
@settings(max_examples=25, deadline=None)
def test_padding_never_changes_an_answer(
    network: MeanClassifier | LSTMClassifier, reviews: list[list[int]]
) -> None:
    arrays = [array(review) for review in reviews]
    with torch.inference_mode():
        together = network(*pad(arrays))
        alone = torch.cat([network(*pad([review])) for review in arrays])
    assert together.shape == ((len(reviews), 3) if network.classes == 3 else (len(reviews),))
    # bfloat16, where the processor has it, keeps 8 bits of a state.
    torch.testing.assert_close(together, alone, atol=2e-3, rtol=1e-2)


def test_two_classes_are_one_logit_that_stands_for_two() -> None:
    """The probabilities and the loss are those of two logits, of which the first is 0."""
    logits = torch.tensor([-3.0, 0.5, 7.0])
    both = torch.stack([torch.zeros(3), logits], dim=1)
    torch.testing.assert_close(models.probabilities(logits), models.probabilities(both))
    targets = torch.tensor([[1.0, 0.0], [0.3, 0.7], [0.0, 1.0]])
    torch.testing.assert_close(cross_entropy(logits, targets), cross_entropy(both, targets))


def test_targets_are_1_at_the_class_of_each_label() -> None:
    index = pd.DataFrame({"label": np.array([2, 0, 1], np.int8)})
    reviews = Reviews(["w"], array([0, 0, 0]), np.arange(4), index, "made up", ("a", "b", "c"))
    assert targets_of(reviews).tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]


def test_the_mean_is_the_mean() -> None:
    network = networks()[0]
    weight = network.embedding.weight
    expected = weight[torch.tensor([3, 4, 4])].mean(0) @ network.output.weight[0]
    got = network(*pad([array([3, 4, 4]), array([1, 2, 3, 4, 5])]))[0] - network.output.bias
    torch.testing.assert_close(got[0], expected)


@given(
    st.lists(st.lists(st.integers(0, 30), min_size=3, max_size=3), min_size=1, max_size=9),
    st.sampled_from([31, 1_000]),
)
def test_distinct_ids_are_those_of_a_sort(rows: list[list[int]], count: int) -> None:
    ids = torch.tensor(rows, dtype=torch.int32)
    words, places = distinct(ids, count)
    assert words.tolist() == sorted(set(ids.flatten().tolist()))
    assert torch.equal(words[places].int(), ids)


def test_pairs_count_in_the_mean_as_words_do() -> None:
    network = MeanClassifier(VOCABULARY, 6, buckets=31)
    ids = torch.tensor([[3, 4, 4]])
    with_pairs = network.with_pairs(ids)[0]
    assert with_pairs[:3].tolist() == [3, 4, 4]
    assert len(with_pairs) == 5
    assert (with_pairs[3:] >= VOCABULARY).all()
    expected = network.output(network.embedding.weight[with_pairs].mean(0))
    torch.testing.assert_close(network(ids, torch.tensor([3])), expected)


@pytest.mark.parametrize("buckets", [48_271, 65_536, 500_000, 965_420, 2_000_000])
def test_pairs_of_frequent_words_fall_together_only_by_chance(buckets: int) -> None:
    network = MeanClassifier(30_000, 1, buckets)
    first, second = torch.meshgrid(torch.arange(2, 302), torch.arange(2, 302), indexing="ij")
    words = torch.stack([first.flatten(), second.flatten()], dim=1)
    used = len(network.with_pairs(words)[:, 2].unique())
    by_chance = buckets * -np.expm1(len(words) * np.log1p(-1 / buckets))
    assert 0.97 * by_chance < used < 1.03 * by_chance


@given(st.lists(st.integers(0, 300), min_size=1, max_size=200), st.integers(1, 40))
def test_every_review_is_in_exactly_one_batch(lengths: list[int], batch: int) -> None:
    all_lengths = np.array(lengths)
    places = np.concatenate(shuffled(all_lengths, batch, np.random.default_rng(0)))
    assert sorted(places) == list(range(len(lengths)))
    batches = list(in_order_of_length(all_lengths, 256))
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert all(len(b) == 1 or len(b) * all_lengths[b].max() <= 256 for b in batches)


@given(st.lists(st.lists(st.integers(1, 9)), min_size=1, max_size=9))
def test_padded_reviews_can_be_read_back(reviews: list[list[int]]) -> None:
    ids, lengths = pad([array(review) for review in reviews])
    for row, length, review in zip(ids, lengths, reviews, strict=True):
        assert row[:length].tolist() == (review or [1])
        assert (row[length:] == PAD).all()


@given(REVIEW, st.integers(1, 50), st.floats(0, 0.9))
def test_a_window_is_a_piece_of_the_review(review: list[int], window: int, share: float) -> None:
    generator = np.random.default_rng(0)
    piece = list(cut(array(review), window, generator))
    assert len(piece) == min(window, len(review))
    assert any(review[i : i + len(piece)] == piece for i in range(len(review)))
    kept = array(review)[keep_words(len(review), share, generator)]
    assert set(kept) <= set(review)
    assert share or len(kept) == len(review)


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [schedule(i / 100) for i in range(101)]
    assert max(rates) == pytest.approx(1, abs=0.01)
    assert rates[0] < 0.01
    assert rates[-1] == pytest.approx(0, abs=1e-9)


def test_the_adversarial_objective_begins_with_the_plain_gradient_and_then_looks_uphill() -> None:
    network = LSTMClassifier(VOCABULARY, 6, hidden=5)
    batch = (*pad([array([1, 2, 3]), array([4, 5])]), torch.tensor([[0.0, 1.0], [1.0, 0.0]]))

    def gradient() -> Tensor:
        weight = network.embedding.weight.grad
        assert weight is not None
        return weight.to_dense()

    (clean,) = plain(network, *batch)
    expected = gradient()
    network.zero_grad()
    assert len(list(adversarial(network, 0.0, *batch))) == 1

    network.zero_grad()
    steps = adversarial(network, 0.1, *batch)
    assert next(steps).loss == clean.loss
    torch.testing.assert_close(gradient(), expected)  # too short to be clipped
    network.zero_grad()
    assert next(steps).loss > clean.loss
    assert not torch.allclose(gradient(), expected)
    assert not gradient()[PAD].any()


@pytest.mark.parametrize("factor", [0.01, 1_000.0])
def test_a_gradient_is_shortened_as_a_whole_and_only_if_it_is_long(factor: float) -> None:
    network = LSTMClassifier(VOCABULARY, 6, hidden=5)
    (network(*pad([array([1, 2, 2, 3]), array([2, 5])])).sum() * factor).backward()

    def gradients() -> Tensor:
        parameters = network.parameters()
        return torch.cat([p.grad.to_dense().flatten() for p in parameters if p.grad is not None])

    before = gradients()
    clip(network)
    length = before.norm().item()
    torch.testing.assert_close(gradients(), before * min(1.0, 1.0 / length))
    assert (length > 1) == (factor > 1)


def test_rows_move_as_with_pytorchs_adam() -> None:
    """With every row in every batch as `Adam` moves them; with some, as `SparseAdam` does."""
    torch.manual_seed(0)
    for reference, some in [(torch.optim.Adam, False), (torch.optim.SparseAdam, True)]:
        start = torch.randn(9, 4, dtype=torch.float64)
        ours, theirs = (nn.Embedding(9, 4, _weight=start.clone(), sparse=s) for s in (True, some))
        optimizers = [
            RowAdam(ours.parameters(), lr=0.1, betas=(0.8, 0.95)),
            reference(theirs.parameters(), lr=0.1, betas=(0.8, 0.95)),
        ]
        for _ in range(5):
            ids = torch.cat([torch.randint(0, 9, (9,)), torch.arange(0 if some else 9)])
            scale = torch.rand(4, dtype=torch.float64) + 1
            for embedding, optimizer in zip((ours, theirs), optimizers, strict=True):
                optimizer.zero_grad()
                ((embedding(ids) - 5) ** 2 * scale).sum().backward()
                optimizer.step()
            torch.testing.assert_close(ours.weight, theirs.weight)
        assert not torch.allclose(ours.weight, start)


def test_the_sampled_softmax_has_the_gradients_of_the_cross_entropy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pretraining, "fast_dtype", lambda device: torch.float64)
    monkeypatch.setattr(pretraining, "CHUNK", 3)
    torch.manual_seed(0)
    guesses, right, rows, biases = (
        torch.randn(size, dtype=torch.float64, requires_grad=True)
        for size in [(7, 4), (7,), (5, 4), (5,)]
    )
    hits = torch.tensor([-1, 2, -1, 0, 4, -1, -1])
    loss = SampledSoftmax.apply(guesses, right, rows, biases, hits)  # type: ignore[no-untyped-call]
    loss.backward()

    logits = guesses @ rows.T + biases
    mask = torch.zeros(7, 5, dtype=torch.bool)
    mask[[1, 3, 4], [2, 0, 4]] = True
    all_logits = torch.cat([right[:, None], logits.masked_fill(mask, -torch.inf)], dim=1)
    expected = torch.nn.functional.cross_entropy(all_logits, torch.zeros(7, dtype=torch.int64))
    torch.testing.assert_close(loss, expected)
    for leaf, gradient in zip(
        [guesses, right, rows, biases],
        torch.autograd.grad(expected, [guesses, right, rows, biases]),
        strict=True,
    ):
        torch.testing.assert_close(leaf.grad, gradient)


def test_the_classifier_starts_from_the_language_model() -> None:
    model = LanguageModel(VOCABULARY, 6, 5, buckets=31)
    of_pairs(model)
    classifier = LSTMClassifier(VOCABULARY, 6, 5, buckets=31)
    missing, _ = classifier.load_state_dict(model.state_dict(), strict=False)
    assert missing == ["output.weight", "output.bias"]
    for name in ("embedding.weight", "pairs.weight", "lstm.weight_hh_l0"):
        assert torch.equal(classifier.get_parameter(name), model.get_parameter(name))


def test_the_lstm_reads_a_word_with_what_it_means_after_the_word_before() -> None:
    network = of_pairs(LSTMClassifier(VOCABULARY, 6, 5, buckets=31))
    assert network.pairs is not None
    ids = torch.tensor([[3, 4, 4, 3, 4, PAD]])
    [buckets] = pairs_of(ids, 31).tolist()
    assert buckets[0] == buckets[3]  # of 3, 4
    assert buckets[4] == 0  # of 4 and padding
    assert 0 < min(buckets[:4]) <= max(buckets[:4]) <= 31
    words = network.embedding(ids)[0]
    expected = words[1:] + network.pairs.weight[buckets]
    torch.testing.assert_close(network.embed(ids)[0, 1:], expected)
    assert torch.equal(network.embed(ids)[0, 0], words[0])
    assert torch.equal(network.embed(ids)[0, 5], torch.zeros(6))


def test_pairs_begin_as_nothing_and_are_learned() -> None:
    moved = weights(ngrams=2)["pairs.weight"].norm(dim=1) > 0
    assert 0 < moved.sum() < 12 * 9  # no more than there are pairs
    assert not moved[0]


def test_the_language_model_reads_pairs_too() -> None:
    model = LanguageModel(VOCABULARY, 6, 5, buckets=1_000)
    ids = torch.tensor([[3, 4, PAD, 4, 3]])
    with torch.no_grad():
        before, _ = model(ids, None)
        of_pairs(model)
        [first, *others] = pairs_of(ids, 1_000)[0].tolist()
        after, _ = model(ids, None)
        assert torch.equal(before[0, 0], after[0, 0])  # the first word is in no pair
        assert not torch.allclose(before[0, 1], after[0, 1])
        assert others[:2] == [0, 0]  # beside the boundary
        model.get_parameter("pairs.weight")[[first, others[2]]] = 0
        torch.testing.assert_close(model(ids, None)[0], before)  # there are no other pairs


@pytest.mark.parametrize("change", ["one less", "one more", "another size"])
def test_pretrained_weights_of_another_network_are_refused(change: str, tmp_path: Path) -> None:
    weights = LanguageModel(VOCABULARY, 6, 4 if change == "another size" else 5).state_dict()
    weights = {name: weights[name] for name in weights if name.startswith(("embedding", "lstm"))}
    if change == "one less":
        del weights["lstm.bias_hh_l0"]
    if change == "one more":
        weights["lstm.bias_hh_l1"] = torch.zeros(20)
    save_file(weights, path := tmp_path / "pretrained.safetensors")
    with pytest.raises(StageError, match=r"pretrained\.safetensors: .*lstm\.\w+_l\d.*dvc repro"):
        load_pretrained(LSTMClassifier(VOCABULARY, 6, 5), path)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_words_shares_add_up_to_the_logit(network: MeanClassifier | LSTMClassifier) -> None:
    ids = array([3, 9, 9, 14, 2])
    with torch.inference_mode():
        logits = network(*pad([ids])).flatten()
    for i, logit in enumerate(logits.tolist()):
        shares, rest = contributions(network, ids, i)
        assert shares.shape == (5,)
        assert shares.sum() + rest == pytest.approx(logit, abs=2e-2)


def test_the_parameters_reach_the_network() -> None:
    settings = params.load(ROOT / "params.yaml", "imdb", Imdb)
    refine = settings.lstm.refine.model_copy(update={"epochs": 3, "perturbation": 0.1})
    lstm = settings.lstm.model_copy(update={"dropout": 0.7, "unlabelled": 0.5, "refine": refine})
    network = LSTMClassifier(VOCABULARY, 6, hidden=5)
    changed = settings.model_copy(update={"lstm": lstm})
    (own, objective), (refined, adversarial) = phases(network, changed)
    assert own is changed.lstm
    assert (refined.epochs, refined.unlabelled) == (3, 0)
    assert refined.learning_rate == refine.learning_rate
    assert network.dropout.p == 0.7
    batch = (*pad([array([1, 2, 3])]), torch.tensor([[0.0, 1.0]]))
    assert len(list(objective(*batch))) == 1
    assert len(list(adversarial(*batch))) == 2


def test_a_network_need_not_be_refined() -> None:
    settings = params.load(ROOT / "params.yaml", "imdb", Imdb)
    refine = settings.lstm.refine.model_copy(update={"epochs": 0})
    lstm = settings.lstm.model_copy(update={"refine": refine})
    changed = settings.model_copy(update={"lstm": lstm})
    assert len(phases(LSTMClassifier(VOCABULARY, 6, hidden=5), changed)) == 1
    assert len(phases(MeanClassifier(VOCABULARY, 6), changed)) == 1


TRAINING = {
    "epochs": 2, "batch": 3, "learning_rate": 0.05, "window": 9, "word_dropout": 0.3,
    "hidden": 9, "dropout": 0.6, "ngrams": 2,
    "refine.epochs": 2, "refine.learning_rate": 0.03, "refine.perturbation": 0.2,
}  # fmt: skip


def weights(start: float | None = None, **changes: float) -> dict[str, Tensor]:
    """Of an LSTM trained on a few reviews and refined, with some parameters changed.

    With `start`, that is what the output layer's weights are before.
    """
    refine = {"epochs": 1, "learning_rate": 0.01, "perturbation": 0.1}
    refine |= {key.removeprefix("refine."): changes.pop(key) for key in list(changes) if "." in key}
    own = LSTM.model_validate(
        {
            "epochs": 1, "batch": 4, "learning_rate": 0.01, "window": 8, "word_dropout": 0.0,
            "hidden": 5, "dropout": 0.0, "refine": refine, "unlabelled": 0, "ngrams": 1,
            "buckets": 1_000, **changes,
        }
    )  # fmt: skip
    settings = params.load(ROOT / "params.yaml", "imdb", Imdb).model_copy(update={"lstm": own})
    generator = np.random.default_rng(0)
    ids = generator.integers(2, VOCABULARY, 12 * 10, dtype=np.int32)
    index = pd.DataFrame(
        {"split": "train", "label": (np.arange(12) % 2).astype(np.int8), "film": ""}
    )
    reviews = Reviews(["w"] * VOCABULARY, ids, np.arange(0, 121, 10), index, "made up")
    torch.manual_seed(0)
    network = LSTMClassifier(VOCABULARY, 6, own.hidden, buckets=own.pairs)
    if start is not None:
        nn.init.constant_(network.output.weight, start)
    targets = targets_of(reviews)
    for phase, objective in phases(network, settings):
        run = begin(network, seed=0)
        for _ in train(run, objective, reviews, np.arange(12), targets, phase):
            pass
    return network.state_dict()


@pytest.mark.parametrize("name", TRAINING)
def test_every_parameter_of_the_training_matters(name: str) -> None:
    before, after = weights(), weights(**{name: TRAINING[name]})
    assert all(torch.equal(before[key], weights()[key]) for key in before)
    assert not all(
        before[key].shape == after[key].shape and torch.equal(before[key], after[key])
        for key in before
    )


def lesson(tmp_path: Path, share: float, ratings: list[float]) -> Lesson:
    """Of three labelled and four unlabelled reviews, and a file with the ratings of those."""
    split = ["train", "train", "unlabelled", "unlabelled", "unlabelled", "unlabelled", "train"]
    label = [0, 1, -1, -1, -1, -1, 1]
    index = pd.DataFrame({"split": split, "label": label, "film": ""})
    reviews = Reviews(["w"], np.zeros(7, np.int32), np.arange(8), index, "made up")
    teacher = tmp_path / "ratings.safetensors"
    good = np.array([ratings], dtype=np.float32)
    rated = np.stack([1 - good, good], axis=2)
    write(Predictions("linear", "made up", ["bad", "good"], 1, [0], rated), teacher)
    whole = params.load(ROOT / "params.yaml", "imdb", Imdb)
    own = whole.lstm.model_copy(update={"unlabelled": share})
    settings = whole.model_copy(update={"lstm": own})
    nowhere = tmp_path / "nowhere"
    train, held_out = reviews.where("train"), np.arange(0)
    task = Task(
        "lstm", settings, nowhere, train, held_out, None, teacher, nowhere, nowhere, nowhere, ""
    )
    return lesson_of(task, own, reviews, seed=1)


def test_the_teacher_speaks_for_the_reviews_without_a_label_only(tmp_path: Path) -> None:
    whole = lesson(tmp_path, 1.0, [0.1, 0.2, 0.3, 0.4])
    good = [0, 1, 0.1, 0.2, 0.3, 0.4, 1]
    assert whole.targets[:, 1].tolist() == pytest.approx(good)
    assert whole.targets[:, 0].tolist() == pytest.approx([1 - each for each in good])
    assert sorted(whole.places) == list(range(7))
    half = lesson(tmp_path, 0.5, [0.1, 0.2, 0.3, 0.4])
    assert {0, 1, 6} < set(half.places)
    assert len(half.places) == 5
    assert sorted(lesson(tmp_path, 0.0, [0.1, 0.2, 0.3, 0.4]).places) == [0, 1, 6]


def test_a_teacher_that_rates_other_reviews_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"3 ratings, but 4 unlabelled"):
        lesson(tmp_path, 1.0, [0.1, 0.2, 0.3])


def test_a_loss_that_is_no_number_stops_the_training_and_names_the_step() -> None:
    with pytest.raises(StageError, match=r"step 1: the loss is (nan|inf): .* learning_rate, 0.01"):
        weights(start=torch.inf)


def test_ids_of_padding_and_unknown_are_the_same_everywhere() -> None:
    assert (vocabulary.PAD, vocabulary.UNKNOWN) == (models.PAD, models.UNKNOWN)
    assert vocabulary.SPECIAL[PAD] == "<pad>"


def test_rating_does_not_load_what_only_training_needs() -> None:
    slow = "sklearn", "dvclive", "pandas", "pyarrow"
    code = f"import sys, stages.imdb.predict; print({set(slow)} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout == "set()\n"


def description(network: MeanClassifier | LSTMClassifier) -> saved.Description:
    lstm = isinstance(network, LSTMClassifier)
    sizes = {"vocabulary": VOCABULARY, "embedding_dim": 6, **({"hidden": 5} if lstm else {})}
    if isinstance(network, LSTMClassifier) and network.pairs is not None:
        sizes["buckets"] = network.pairs.num_embeddings - 1
    return saved.Description(
        model="lstm" if lstm else "mean",
        data="made up",
        classes=["bad", "good"],
        seeds=[3],
        sizes=sizes,
    )


@pytest.fixture(params=[0, 2, 5])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    network = NETWORKS[request.param]
    words = [f"w{i}" for i in range(VOCABULARY)]
    saved.save_description(description(network), words, tmp_path)
    saved.save_weights(network, tmp_path, 3)
    return tmp_path


def same(one: Network, other: Network) -> bool:
    """Whether they have the same weights."""
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[n], theirs[n]) for n in mine)


def test_a_saved_network_rates_as_before(folder: Path) -> None:
    network, words = saved.load(folder)
    [before] = [each for each in NETWORKS if same(each, network)]
    reviews = [array([1, 2, 3]), array([]), array([7])]
    assert np.array_equal(rating.rate(network, reviews), rating.rate(before, reviews))
    assert len(words) == VOCABULARY


@pytest.mark.parametrize(
    "networks",
    [NETWORKS[:2], NETWORKS[2:3], NETWORKS[3:5], NETWORKS[5:]],
    ids=["mean", "lstm", "three classes", "lstm of pairs"],
)
def test_networks_rate_side_by_side_as_one_after_the_other(
    networks: list[Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rating, "TOKENS", 20)  # so that there are many batches
    lengths = np.random.default_rng(0).integers(0, 15, 60)
    reviews = [array([*range(2, 2 + length)]) for length in lengths]
    expected = np.stack([rating.rate(network, reviews) for network in networks])
    assert np.allclose(rating.rate_by_all(networks, reviews, "made up"), expected, atol=1e-6)
    assert len(np.unique(expected)) > len(networks)


def described(**changes: object) -> bytes:
    """A `model.json` that says something else."""
    return json.dumps(description(NETWORKS[0]).model_dump() | changes).encode()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("seed-3.safetensors", None),
        ("seed-3.safetensors", b"\x80\x04rubbish"),
        ("model.json", None),
        ("model.json", b"{"),
        ("model.json", described(sizes={"vocabulary": 0})),
        ("model.json", described(model="transformer")),
        ("words.txt", b"one\n"),
        ("words.txt", None),
    ],
)
def test_a_damaged_network_is_refused_by_name(
    folder: Path, file: str, content: bytes | None
) -> None:
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    with pytest.raises(StageError, match=file.replace(".", r"\.")):
        saved.load(folder)


def test_weights_of_other_sizes_are_refused(folder: Path) -> None:
    saved.save_weights(MeanClassifier(VOCABULARY, 7), folder, 3)
    with pytest.raises(StageError, match="damaged"):
        saved.load(folder)
