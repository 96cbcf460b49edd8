"""Processes that work side by side, and end when their parent does."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from typing import Any, TypeVar

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")

SPAWN = get_context("spawn")  # a forked process could inherit a lock that nobody will open


def pool(
    workers: int | None = None, start: Callable[..., None] | None = None, *shared: Any
) -> ProcessPoolExecutor:
    """A pool that does not wait for ever for a process that was killed, as multiprocessing's does.

    Args:
        workers: at most so many processes; None: one a processor.
        start: called in each process as it begins, with `shared`.
        shared: values and events of the context SPAWN.
    """
    return ProcessPoolExecutor(workers or processors(), SPAWN, _start, (start, *shared))


def in_order(
    executor: Executor, work: Callable[[TaskT], ResultT], tasks: Iterable[TaskT], ahead: int
) -> Iterator[ResultT]:
    """The results of tasks in their order, as of `executor.map`, but they cannot pile up.

    No more than `ahead` tasks are at work, or done and their result not taken.
    """
    begun: deque[Future[ResultT]] = deque()
    for task in tasks:
        if len(begun) == ahead:
            yield begun.popleft().result()
        begun.append(executor.submit(work, task))
    while begun:
        yield begun.popleft().result()


def _start(start: Callable[..., None] | None, *shared: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to deal with
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if start:
        start(*shared)


def _end_with_parent() -> None:
    """End this process when its parent has: one that was killed sends no word."""
    if parent := parent_process():
        parent.join()
        os._exit(1)


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
