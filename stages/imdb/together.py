"""Several processes, on one machine or on several, that train one network together.

Each has the whole network and takes its share of every batch; the gradients are added up, and all
take the same step. So a batch is as large, and the learning rate what it was, whatever the number
of processes: only the rounding differs. Outside of `joined` there is one process, and everything
here leaves its arguments as they are.
"""

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import NoReturn

import numpy as np
import psutil
import torch
from torch import Tensor, distributed, nn

from stages.common.errors import StageError, end_with_parent, message
from stages.common.progress import say
from stages.imdb.reviews import Indices

ANEW = 3  # times that processes are started again after one was killed
LOST = 75  # exit code of a process that lost the others (EX_TEMPFAIL of sysexits.h)
TOLD = 128 + signal.SIGTERM  # exit code of one that was told to end, since another had failed
MEETING = timedelta(minutes=10)  # that a process waits for the others to come
TELLING = 10.0  # seconds that the first has to say what is wrong, before others end
# The others wait while the first rates the held-out reviews or writes a checkpoint.
PATIENCE = timedelta(hours=2)


@dataclass(frozen=True)
class Share:
    """This process's part of a batch.

    Attributes:
        places: int64, of its own in the batch; that of the first one where it has none, since
            every process must take part.
        count: how many are its own, perhaps 0.
        weight: its own among the whole batch, a fraction.
    """

    places: Indices
    count: int
    weight: float


def launch(module: str, processes: int, device: torch.device) -> None:
    """Run a stage's module with the arguments of this process, in so many processes.

    This is what `torchrun --standalone` does, but for one thing: it starts processes again when
    one was killed, and not when one has told what is wrong and would say the same again.

    Args:
        module: of the stage.
        processes: more than one.
        device: that the network will be trained on.

    Raises:
        StageError: when that is for one process only, or a process was killed again and again.
        SystemExit: when one failed, having told why, or when this one is told to end.
    """
    if device.type == "mps":
        raise StageError(
            f"imdb.train.device = 'mps' with imdb.train.processes = {processes}: a Mac's is for one"
            " process; allowed: 1, or imdb.train.device = 'cpu'"
        )
    # Slow to import, and one process needs none of it.
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)  # we tell it in one line
    for left in reversed(range(ANEW + 1)):
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=processes,
            run_id=f"{module}-{os.getpid()}-{left}",
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="localhost",
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(),
        )
        try:
            elastic_launch(config, sys.executable)("-m", module, *sys.argv[1:])
            return
        except SignalException as told:
            sys.exit(128 + told.sigval)
        except ChildFailedError as error:
            codes = [failure.exitcode for failure in error.failures.values()]
            if said := [code for code in codes if code > 0 and code not in (LOST, TOLD)]:
                sys.exit(said[0])
            if left:
                say("a training process was killed; all start again from the last checkpoint")
    raise StageError(
        f"a training process was killed, {ANEW + 1} times, most likely for want of memory;"
        " lower imdb.train.processes, or a batch or window, in params.yaml"
    )


def called() -> bool:
    """Whether torchrun started this process, as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def on_this_machine() -> int:
    """How many processes share this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if called() else 1


@contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """In the body the processes that torchrun started are one group; a single one is on its own.

    What all of them find wrong, the first one tells. One that loses the others ends without a word:
    whoever started it knows better what befell them.

    Args:
        device: that the network is trained on.
    """
    if not called():
        yield
        return
    # torchrun, when it is killed, leaves us behind.
    end_with_parent(psutil.Process())
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    try:
        store, rank, processes = _meet()
        distributed.init_process_group(
            backend, store=store, rank=rank, world_size=processes, timeout=PATIENCE
        )
        yield
        distributed.barrier()  # else the first to end could be taken for one that was killed
    except Exception as error:
        if _lost(error):
            _leave(LOST)
        told = message(error)
        if told is None:
            raise
        if leads() or not isinstance(error, StageError):
            print(f"error: {told}", file=sys.stderr)
        else:
            # As soon as one is gone, torchrun tells the others to end, the first too.
            time.sleep(TELLING)
        _leave(1)
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def _meet() -> "tuple[distributed.Store, int, int]":
    """Wait for the others, but not as long as for their work: one may be gone already.

    Returns:
        Where the processes leave each other word, this one's number, and how many there are.

    Raises:
        DistError: when they do not come.
    """
    store, rank, processes = next(distributed.rendezvous("env://", timeout=MEETING))
    store.set(f"here/{rank}", "")
    store.wait([f"here/{each}" for each in range(processes)], MEETING)
    return store, rank, processes


def _leave(code: int) -> NoReturn:
    """End with this code, at once.

    Where Python tidies up before it ends, gloo now and then aborts, and torchrun, which by then has
    told all to end, ends with another code: either would be taken for a process that was killed.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _lost(error: Exception) -> bool:
    """Whether it says that another process is gone."""
    return isinstance(error, RuntimeError) and (
        isinstance(error, distributed.DistError) or "gloo" in str(error)
    )


def size() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if _in_a_group() else 1


def leads() -> bool:
    """Whether this process is the first, which alone writes and tells."""
    return not _in_a_group() or distributed.get_rank() == 0


def _in_a_group() -> bool:
    return distributed.is_available() and distributed.is_initialized()


_batch = 0  # the length of the whole batch under way


def share(whole: int) -> Share:
    """This process's part of a batch of so many; reviews of similar length go to all in turn.

    Until the next call that is the batch under way.
    """
    global _batch
    _batch = whole
    own = np.arange(whole)
    if _in_a_group():
        own = own[distributed.get_rank() :: size()]
    return Share(own if len(own) else np.arange(1), len(own), len(own) / whole)


def add_up(network: nn.Module, weight: float) -> None:
    """Make each process's gradient that of the whole batch.

    By hand, not by `DistributedDataParallel`: that would have to be told apart a batch's two
    gradients, one of which the embeddings' own depend on, wants every call to go through `forward`,
    and sends the rows of an embedding with a division by the number of processes, which is wrong
    where their shares differ.

    Args:
        network: with a gradient of the mean over this process's own share.
        weight: of that share; with 0, its gradient does not count.
    """
    if size() == 1:
        return
    parameters = [parameter for parameter in network.parameters() if parameter.grad is not None]
    dense = [p.grad for p in parameters if p.grad is not None and not p.grad.is_sparse]
    together = torch.cat([gradient.flatten() for gradient in dense]) * weight  # one message
    distributed.all_reduce(together)
    for gradient, part in zip(
        dense, together.split([gradient.numel() for gradient in dense]), strict=True
    ):
        gradient.copy_(part.view_as(gradient))
    for parameter in parameters:
        if parameter.grad is not None and parameter.grad.is_sparse:
            parameter.grad = _add_up_rows(parameter.grad.coalesce(), weight)


def _add_up_rows(gradient: Tensor, weight: float) -> Tensor:
    """The same for a sparse gradient: as few rows as the batch has words. (NCCL adds none up.)"""
    count = gradient.values().shape[0] if weight else 0  # no moment of a row may change for nothing
    rows, values = gradient.indices()[0, :count], gradient.values()[:count] * weight
    counts = [torch.zeros(1, dtype=torch.int64) for _ in range(size())]
    distributed.all_gather(counts, torch.tensor([count]))
    most = max(int(each) for each in counts)

    def gather(own: Tensor) -> Tensor:
        """The rows of all processes, end to end; each sends as many as the one that has most."""
        padded = own.new_zeros(most, *own.shape[1:])
        padded[:count] = own
        parts = [torch.empty_like(padded) for _ in counts]
        distributed.all_gather(parts, padded)
        return torch.cat([part[: int(each)] for part, each in zip(parts, counts, strict=True)])

    return torch.sparse_coo_tensor(
        gather(rows)[None], gather(values), gradient.shape, check_invariants=False
    ).coalesce()


def total(*numbers: float) -> list[float]:
    """The sum of each number over all processes."""
    if size() == 1:
        return list(numbers)
    sums = torch.tensor(numbers, dtype=torch.float64)
    distributed.all_reduce(sums)
    return sums.tolist()


def whole(own: Tensor, dim: int, part: Share, count: int) -> Tensor:
    """Put each process's part of a tensor into the place that it has in the whole batch.

    Args:
        own: this process's part, as `part.places` say.
        dim: the dimension of the batch.
        part: its share.
        count: the length of the whole batch.
    """
    if size() == 1:
        return own
    shape = [*own.shape]
    shape[dim] = count
    result = own.new_zeros(shape, dtype=torch.float32)
    if part.count:
        result.index_copy_(dim, torch.from_numpy(part.places).to(own.device), own.float())
    distributed.all_reduce(result)  # the others have zeros there
    return result.to(own.dtype)


def from_first(content: bytes) -> bytes:
    """What the first process has; what the others have does not matter.

    Bytes, as PyTorch sends objects pickled, and unpickles whatever comes over the network.
    """
    if size() == 1:
        return content
    length = torch.tensor([len(content)])
    distributed.broadcast(length, 0)
    sent = torch.empty(int(length), dtype=torch.uint8)
    if leads():
        sent.numpy()[:] = np.frombuffer(content, np.uint8)
    distributed.broadcast(sent, 0)
    return sent.numpy().tobytes()


def agree(identity: str) -> None:
    """See that all processes have the same code, parameters and data.

    Args:
        identity: of this process's, as long as the others'.

    Raises:
        StageError: in all of them, when they have not.
    """
    if size() == 1:
        return
    own = torch.tensor([*identity.encode()])
    identities = [torch.empty_like(own) for _ in range(size())]
    distributed.all_gather(identities, own)
    if others := [r for r, each in enumerate(identities) if not each.equal(identities[0])]:
        raise StageError(
            f"of the processes 0 to {size() - 1}, {', '.join(map(str, others))} have other code,"
            " parameters or data than process 0, or another kind of processor; bring the machines"
            " in step: git pull, dvc pull"
        )


class Dropout(nn.Dropout):
    """Dropout drawn for the whole batch, of which each process uses its rows; always on the CPU.

    So a review's mask depends neither on the number of processes nor on the device.
    """

    def forward(self, states: Tensor) -> Tensor:
        """Of states [batch × width]."""
        if not self.training:
            return states
        rows, width = states.shape
        if not _in_a_group():
            return states * super().forward(torch.ones(rows, width)).to(states.device)
        # Exactly as large as one process would draw it: what is drawn next depends on it too.
        mask = super().forward(torch.ones(_batch, width))[distributed.get_rank() :: size()]
        if not len(mask):  # this process has no review of its own
            return states
        return states * mask.to(states.device)
