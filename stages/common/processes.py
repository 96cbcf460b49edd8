"""Worker processes that run side by side and exit together with their parent."""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

import psutil

from stages.common.errors import UserError, exit_with_parent

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")

# A forked process could inherit a lock that no thread of it will ever release.
SPAWN_CONTEXT = multiprocessing.get_context("spawn")


@contextmanager
def process_pool(
    max_workers: int | None = None, initializer: Callable[..., None] | None = None, *initargs: Any
) -> Iterator[ProcessPoolExecutor]:
    """Open a pool of processes; if the body fails, kill them.

    Args:
        max_workers: Number of processes. None: one per processor.
        initializer: Called in each process when it starts, with `initargs`.
        initargs: Picklable arguments.

    Raises:
        UserError: If a process was killed.
    """
    max_workers = max_workers or cpu_count()
    executor = ProcessPoolExecutor(
        max_workers, SPAWN_CONTEXT, _init_worker, (initializer, *initargs)
    )
    try:
        # Start every worker now. The executor starts one with a task, but only watches those that
        # had started before: if the last one was killed, it would wait for it forever.
        for _ in range(max_workers):
            executor.submit(int)
        yield executor
    except BaseException as error:
        for process in multiprocessing.active_children():
            process.kill()
        # A worker that is killed while it sends a result leaves part of it in the pipe. The thread
        # of the executor would wait for the rest, since this process also holds the writing end.
        executor._result_queue._writer.close()  # type: ignore[attr-defined]
        if isinstance(error, BrokenProcessPool):
            raise UserError(
                "a worker process was killed, probably because memory ran out; close other programs"
                " or lower batch_size in params.yaml, and run again"
            ) from None
        raise
    finally:
        executor.shutdown(cancel_futures=True)


def map_bounded(
    executor: Executor,
    function: Callable[[TaskT], ResultT],
    tasks: Iterable[TaskT],
    buffersize: int,
) -> Iterator[ResultT]:
    """Yield the result of each task, in order; at most `buffersize` are pending at any time.

    This is `Executor.map(buffersize=...)` of Python 3.14.
    """
    pending: deque[Future[ResultT]] = deque()
    for task in tasks:
        if len(pending) == buffersize:
            yield pending.popleft().result()
        pending.append(executor.submit(function, task))
    while pending:
        yield pending.popleft().result()


def _init_worker(initializer: Callable[..., None] | None, *initargs: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the parent
    parent = multiprocessing.parent_process()
    exit_with_parent(psutil.Process(), parent.pid if parent else None)
    if initializer:
        initializer(*initargs)


def cpu_count() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
