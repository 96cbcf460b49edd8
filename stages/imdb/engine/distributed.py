"""The collective operations of distributed training, around DistributedDataParallel.

Each process, called a rank, holds the whole network and trains on its shard of every batch. The
batch size and the learning rate do not depend on the number of processes. Without torchrun there
is one process, rank 0, and the collective operations do nothing.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn

from stages.common.errors import UserError
from stages.imdb.corpus.corpus import Indices


@dataclass(frozen=True)
class Shard:
    """The part of a batch that this rank trains on.

    Attributes:
        indices: int64, positions in the batch. A rank without a review takes position 0.
        count: Number of reviews of this rank, possibly 0.
        loss_weight: `count` divided by the size of the batch.
    """

    indices: Indices
    count: int
    loss_weight: float


def rank() -> int:
    """Return the number of this process, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def world_size() -> int:
    """Return the number of processes that train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def is_main_process() -> bool:
    """Return True on rank 0, which alone validates, logs and writes files."""
    return rank() == 0


def wrap(network: nn.Module) -> Any:
    """Return a callable like `network` whose gradients are averaged over all ranks."""
    if world_size() == 1:
        return network
    return nn.parallel.DistributedDataParallel(network, broadcast_buffers=False)


def shard_batch(batch_size: int) -> Shard:
    """Return this rank's part of a batch: every `world_size`-th review."""
    local = np.arange(batch_size)[rank() :: world_size()]
    return Shard(local if len(local) else np.arange(1), len(local), len(local) / batch_size)


def scale_loss(loss: Tensor, shard: Shard) -> Tensor:
    """Scale the mean loss of a shard so that the averaged gradient is that of the whole batch."""
    return loss * (shard.loss_weight * world_size())


def all_reduce_sum(*values: float) -> list[float]:
    """Return the sum of each value over all ranks."""
    if world_size() == 1:
        return list(values)
    sums = torch.tensor(values, dtype=torch.float64)
    distributed.all_reduce(sums)
    return sums.tolist()


def gather_batch(local: Tensor, dim: int, shard: Shard, batch_size: int) -> Tensor:
    """Assemble a tensor of the whole batch from the part of each rank.

    Dimension `dim` has `shard.count` entries in `local` (if that is 0, one that is ignored) and
    `batch_size` entries in the result.
    """
    if world_size() == 1:
        return local
    shape = [*local.shape]
    shape[dim] = batch_size
    result = local.new_zeros(shape, dtype=torch.float32)
    if shard.count:
        result.index_copy_(dim, torch.from_numpy(shard.indices).to(local.device), local.float())
    distributed.all_reduce(result)  # the other ranks have zeros there
    return result.to(local.dtype)


def broadcast_bytes(content: bytes) -> bytes:
    """Return the content that rank 0 passes.

    Bytes, because PyTorch sends objects as pickles, and unpickling can run code.
    """
    if world_size() == 1:
        return content
    length = torch.tensor([len(content)])
    distributed.broadcast(length, 0)
    buffer = torch.empty(int(length), dtype=torch.uint8)
    if is_main_process():
        buffer.numpy()[:] = np.frombuffer(content, np.uint8)
    distributed.broadcast(buffer, 0)
    return buffer.numpy().tobytes()


def check_same_config(fingerprint: str) -> None:
    """Check that every rank has the code, parameters and data of rank 0.

    Raises:
        UserError: On every rank, if one of them differs.
    """
    differs = broadcast_bytes(fingerprint.encode()) != fingerprint.encode()
    [count] = all_reduce_sum(differs)
    if count:
        raise UserError(
            f"{count:.0f} of {world_size()} processes have other code, parameters or data than rank"
            " 0, or another kind of processor; run git pull and dvc pull on every machine"
        )
