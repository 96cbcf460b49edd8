"""Trainings side by side, one per processor."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from typing import TypeVar

import torch
from tqdm import tqdm

from stages.common.processes import SPAWN_CONTEXT, cpu_count, process_pool
from stages.imdb.engine.cpu_tuning import HUGEPAGES_ENV

JobT = TypeVar("JobT")


def train_side_by_side(train: Callable[[JobT], None], jobs: Sequence[JobT]) -> None:
    """Call `train` with each job, at most one per processor at a time.

    The first error ends all trainings.

    Args:
        train: A picklable function. It runs in a process with one thread.
        jobs: Picklable.
    """
    os.environ |= HUGEPAGES_ENV
    workers = min(len(jobs), cpu_count())
    with process_pool(workers, _init_worker, SPAWN_CONTEXT.RLock()) as executor:
        for training in as_completed([executor.submit(train, job) for job in jobs]):
            training.result()


def _init_worker(lock: object) -> None:
    tqdm.set_lock(lock)  # so that the progress bars of several processes do not overlap
    torch.set_num_threads(1)
