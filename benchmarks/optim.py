"""Time our optimizer and loss next to PyTorch's own, on made-up batches of the pipeline's sizes.

    python -m benchmarks.optim    two minutes

Prints the time of a training step of each classifier with our `SparseAdam` and with PyTorch's, and
of the language model with its sampled softmax and with `F.cross_entropy` over the target and the
sampled logits. The variants compute the same, except for rounding.
"""

import statistics
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  its name in every PyTorch text

from benchmarks import harness
from stages.common.params import load_params
from stages.imdb.corpus.params import Imdb
from stages.imdb.engine import optim
from stages.imdb.engine.cpu_tuning import tune_cpu
from stages.imdb.models.classifiers import LSTMClassifier, MeanEmbeddingClassifier, Network
from stages.imdb.models.device import CPU, autocast
from stages.imdb.pretraining.language_model import LanguageModel, Sampler
from stages.imdb.training.objective import cross_entropy

REVIEW_LEN = 200  # words, about the mean of the reviews
STEPS = 8  # per turn, each with a batch of its own
LEARNING_RATE, ROUNDS = 0.001, 9
OURS, TORCH = "ours", "PyTorch"


class CrossEntropyModel(LanguageModel):
    """The language model with the loss of the sampled softmax written with `F.cross_entropy`."""

    def sampled_loss(
        self, outputs: Tensor, targets: Tensor, sampled: Tensor, log_expected_count: Tensor
    ) -> Tensor:
        weight, bias = self.embedding.weight, self.bias
        target_logits = (outputs * weight[targets]).sum(1) + bias[targets]
        with autocast(CPU, self.matmul_dtype):
            logits = outputs @ weight[sampled].T
        logits = logits.float() + bias[sampled] - log_expected_count
        logits = logits.masked_fill(targets[:, None] == sampled, -torch.inf)
        logits = torch.cat([target_logits[:, None], logits], dim=1)
        return F.cross_entropy(logits, torch.zeros_like(targets))


def train_classifier(
    network: Network, optimizers: list[torch.optim.Optimizer], batches: list[Tensor]
) -> None:
    lengths = torch.full((len(batches[0]),), REVIEW_LEN)
    targets = torch.eye(2)[torch.arange(len(lengths)) % 2]
    for ids in batches:
        cross_entropy(network(ids, lengths), targets).backward()
        if isinstance(network, LSTMClassifier):
            optim.clip_grad_norm(network)
        optim.step(optimizers, LEARNING_RATE)


def train_language_model(model: LanguageModel, batches: list[Tensor], sampler: Sampler) -> None:
    optimizers = optim.build_optimizers(model)
    for window in batches:
        sampled = sampler.draw()
        loss, _ = model(window, None, sampled, sampler.log_expected_count[sampled])
        loss.backward()
        optim.clip_grad_norm(model)
        optim.step(optimizers, LEARNING_RATE)


def measure(params: Imdb, rounds: int) -> list[list[str]]:
    """Return one row of the table per model, all of them trained on one thread."""
    torch.set_num_threads(1)
    vocab_size, dim = params.vocabulary.size, params.embedding_dim
    counts = 1_000_000 // torch.arange(1, vocab_size + 1)  # of the words, by Zipf's law
    sampler = Sampler(counts, params.pretrain.num_sampled)

    def make_batches(batch_size: int, length: int) -> list[Tensor]:
        ids = torch.multinomial(counts.double(), STEPS * batch_size * length, replacement=True)
        return list(ids.view(STEPS, batch_size, length))

    turns: dict[tuple[str, str], Callable[[], None]] = {}
    for name, adam, cls in (
        (OURS, optim.SparseAdam, LanguageModel),
        (TORCH, torch.optim.SparseAdam, CrossEntropyModel),
    ):
        for network, batch_size in (
            (MeanEmbeddingClassifier(vocab_size, dim), params.mean.batch_size),
            (LSTMClassifier(vocab_size, dim, params.lstm.hidden_size), params.lstm.batch_size),
        ):
            dense, _ = optim.build_optimizers(network)
            optimizers = [dense, adam([network.embedding.weight], betas=optim.BETAS)]
            batches = make_batches(batch_size, REVIEW_LEN)
            step = f"{type(network).__name__}, SparseAdam"
            turns[step, name] = partial(train_classifier, network, optimizers, batches)
        model = cls(vocab_size, dim, params.lstm.hidden_size)
        batches = make_batches(params.pretrain.batch_size, params.pretrain.bptt + 1)
        train = partial(train_language_model, model, batches, sampler)
        turns["LanguageModel, sampled softmax", name] = train
    timed = {key: partial(harness.timeit, train) for key, train in turns.items()}
    results, rows = harness.run_interleaved(timed, rounds, warm_ups=1), []
    for step in dict.fromkeys(step for step, _ in turns):
        ours, theirs = results[step, OURS], results[step, TORCH]
        times = [f"{1000 * statistics.median(t) / STEPS:.1f} ms" for t in (ours, theirs)]
        rows.append([step, *times, f"{harness.median_ratio(theirs, ours):.2f} ×"])
    return rows


def main() -> None:
    tune_cpu()
    params = load_params(harness.PARAMS, "imdb", Imdb)
    header = ["training step", OURS, TORCH, "PyTorch relative to ours"]
    print(f"One thread, medians of {ROUNDS} rounds. {harness.describe_machine('torch')}\n")
    print(*harness.markdown_table(header, measure(params, ROUNDS)), sep="\n")


if __name__ == "__main__":
    main()
