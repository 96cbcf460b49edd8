"""Compare float32 and bfloat16 on this processor: a matrix product, and a step of an LSTM.

    python -m benchmarks.precision    less than a minute

Prints the two speeds and what `imdb.train.precision: auto` chooses here. If `auto` chooses the
slower precision, set the parameter yourself. All figures are for one thread, because the pipeline
trains each seed on one thread.
"""

import statistics
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.harness import processor_name, run_interleaved, timeit
from benchmarks.lstm import peak_flops
from stages.imdb.engine.cpu_tuning import tune_cpu
from stages.imdb.models.device import CPU, autocast, get_matmul_dtype

DTYPES = (torch.float32, torch.bfloat16)
MATMUL_SIZE = 1024
BATCH_SIZE, REVIEW_LEN, EMBEDDING_DIM, HIDDEN_SIZE = 48, 200, 128, 192
ROUNDS = 7


def lstm_step(lstm: nn.LSTM, embeddings: Tensor, dtype: torch.dtype) -> None:
    """Do a forward and a backward pass, the gradient of the embeddings included."""
    with autocast(CPU, dtype):
        states, _ = lstm(embeddings)
    states.float().sum().backward()


def words_per_second(step: Callable[[], None]) -> float:
    return BATCH_SIZE * REVIEW_LEN / timeit(step)


def main() -> None:
    tune_cpu()
    torch.set_num_threads(1)
    lstm = nn.LSTM(EMBEDDING_DIM, HIDDEN_SIZE, batch_first=True)
    embeddings = torch.randn(BATCH_SIZE, REVIEW_LEN, EMBEDDING_DIM, requires_grad=True)
    matmul, step = "matrix product", "LSTM, forward and backward"
    contenders: dict[tuple[str, torch.dtype], Callable[[], float]] = {}
    for dtype in DTYPES:
        contenders[matmul, dtype] = partial(peak_flops, dtype, 0.5, MATMUL_SIZE)
        run = partial(lstm_step, lstm, embeddings, dtype)
        contenders[step, dtype] = partial(words_per_second, run)
    results = run_interleaved(contenders, ROUNDS, warm_ups=1)
    speeds = {key: statistics.median(values) for key, values in results.items()}

    print(f"processor: {processor_name()}, one thread, median of {ROUNDS} rounds")
    for name, unit, scale in [(matmul, "GFLOP/s", 1e9), (step, "words/s", 1)]:
        float32, bfloat16 = (speeds[name, dtype] / scale for dtype in DTYPES)
        print(
            f"{name}: float32 {float32:,.0f} {unit}, bfloat16 {bfloat16:,.0f} {unit},"
            f" {bfloat16 / float32:.2f} times as fast in bfloat16"
        )
    auto = str(get_matmul_dtype("auto", CPU)).removeprefix("torch.")
    print(f"imdb.train.precision: auto is {auto} on this processor")


if __name__ == "__main__":
    main()
