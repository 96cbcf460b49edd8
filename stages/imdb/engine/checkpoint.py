"""Checkpoints: a training that was stopped continues to the same result, bit for bit.

Everything random in a step depends on the seed, the phase and the number of the step only. So the
state of a training is its network, its optimizers, the number of the step, the curves so far, and
for a language model the state of its LSTM.

In distributed training, rank 0 reads and writes the file and broadcasts its content, so only rank 0
needs the file.
"""

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from stages.common.files import atomic_write, file_sha256
from stages.common.progress import log
from stages.imdb.engine import distributed
from stages.imdb.models.device import device_of

SAVE_INTERVAL = float(os.environ.get("CHECKPOINT_SECONDS", "30"))  # seconds

NetworkT = TypeVar("NetworkT", bound=nn.Module)


@dataclass
class TrainState(Generic[NetworkT]):
    """The state of a training, except for its parameters and data.

    Attributes:
        network: The network being trained.
        optimizers: Of its weights.
        seed: Of everything random.
        phase: Number of the phase, for trainings that have several.
        step: Number of steps done.
        totals: Sums since the last point of the curves.
        hidden_state: Tensors that one step passes to the next: h and c of a language model's LSTM.
        history: The points of the curves so far.
    """

    network: NetworkT
    optimizers: list[torch.optim.Optimizer]
    seed: int
    phase: int = 0
    step: int = 0
    totals: dict[str, float] = field(default_factory=dict)
    hidden_state: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)

    def epoch_rng(self, epoch: int) -> np.random.Generator:
        """Return the random generator for the order of the reviews in an epoch."""
        return np.random.default_rng([self.seed, 0, epoch, self.phase])

    def seed_step(self, rank: int = 0) -> np.random.Generator:
        """Seed PyTorch for the current step, and return NumPy's random generator for it.

        Args:
            rank: Added to PyTorch's seed, so that each rank draws a dropout mask of its own.
        """
        rng = np.random.default_rng([self.seed, 1, self.step, self.phase])
        seed = int(rng.integers(2**63)) + rank
        # torch.manual_seed does all of this, but it also prepares GPUs that are not in use, which
        # is slow.
        torch.default_generator.manual_seed(seed)
        if torch.cuda.is_initialized():
            torch.cuda.manual_seed(seed)
        if torch.backends.mps.is_available():
            torch.mps.manual_seed(seed)
        return rng

    def accumulate(self, **values: float) -> None:
        """Add values to the totals."""
        for name, value in values.items():
            self.totals[name] = self.totals.get(name, 0.0) + value


class Checkpoint:
    """A file with the state of one training."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        """`fingerprint`: see `training_fingerprint`; `resume` ignores a file with another one."""
        self.path, self.fingerprint = path, fingerprint
        self.last_saved = time.monotonic()

    def is_due(self) -> bool:
        """Return True on rank 0 if the last checkpoint is SAVE_INTERVAL old."""
        return distributed.is_main_process() and time.monotonic() - self.last_saved >= SAVE_INTERVAL

    def save(self, state: TrainState[NetworkT]) -> None:
        """Write the file on rank 0; do nothing on the others."""
        if distributed.is_main_process():
            metadata = {"fingerprint": self.fingerprint, "progress": _progress(state)}
            with atomic_write(self.path) as temporary:
                tensors = _tensors(state)
                safetensors.torch.save_file(tensors, temporary, {"metadata": json.dumps(metadata)})
        self.last_saved = time.monotonic()

    def resume(self, state: TrainState[NetworkT]) -> None:
        """Load the file into `state`, if there is one for this training; on all ranks."""
        if distributed.is_main_process():
            self._read(state)
        if distributed.world_size() > 1:
            main = distributed.is_main_process()
            progress = distributed.broadcast_bytes(json.dumps(_progress(state)).encode())
            tensors = safetensors.torch.save(_tensors(state)) if main else b""
            tensors = distributed.broadcast_bytes(tensors)
            if not main:
                _restore(state, json.loads(progress), safetensors.torch.load(tensors))

    def _read(self, state: TrainState[NetworkT]) -> None:
        try:
            with safetensors.safe_open(self.path, framework="pt") as file:
                metadata = json.loads(file.metadata()["metadata"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except FileNotFoundError:
            return
        except safetensors.SafetensorError:
            log(f"{self.path}: damaged; the training starts from the beginning")
            return
        if metadata["fingerprint"] != self.fingerprint:
            log(f"{self.path}: written by other code, parameters or data; not used")
            return
        _restore(state, metadata["progress"], tensors)
        log(f"{self.path}: resumed after step {state.step:,}")


def _progress(state: TrainState[NetworkT]) -> list[object]:
    """Return the part of the state that is stored as JSON."""
    return [state.step, state.totals, state.history]


def _tensors(state: TrainState[NetworkT]) -> dict[str, Tensor]:
    """Return every tensor of the state, with the keys network/…, hidden_state/… and optimizer/…"""
    tensors = {f"network/{name}": weight for name, weight in state.network.state_dict().items()}
    tensors |= {f"hidden_state/{name}": tensor for name, tensor in state.hidden_state.items()}
    for number, optimizer in enumerate(state.optimizers):
        for parameter, values in optimizer.state_dict()["state"].items():
            for name, value in values.items():
                # SparseAdam counts its steps in an int. No other value here is an int64.
                tensor = value if isinstance(value, Tensor) else torch.tensor(value)
                tensors[f"optimizer/{number}/{parameter}/{name}"] = tensor
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _restore(
    state: TrainState[NetworkT], progress: list[object], tensors: dict[str, Tensor]
) -> None:
    state.step, state.totals, state.history = progress  # type: ignore[assignment]  # from JSON
    weights: dict[str, Tensor] = {}
    optimizers: list[dict[int, dict[str, Tensor | int]]] = [{} for _ in state.optimizers]
    for name, tensor in tensors.items():
        kind, _, rest = name.partition("/")
        if kind == "network":
            weights[rest] = tensor
        elif kind == "hidden_state":
            state.hidden_state[rest] = tensor.to(device_of(state.network))
        else:
            number, parameter, key = rest.split("/")
            value = int(tensor) if tensor.dtype == torch.int64 else tensor
            optimizers[int(number)].setdefault(int(parameter), {})[key] = value
    state.network.load_state_dict(weights)
    for optimizer, values in zip(state.optimizers, optimizers, strict=True):
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": values, "param_groups": groups})


@contextmanager
def output_folder(path: Path, checkpoints: Path) -> Iterator[Path]:
    """Yield a new folder for trained networks; on success, it becomes `path`.

    The folder of the checkpoints is then deleted. On other ranks than 0, this does nothing.
    """
    if not distributed.is_main_process():
        yield path
        return
    with atomic_write(path) as folder:
        folder.mkdir()
        yield folder
    shutil.rmtree(checkpoints, ignore_errors=True)


def training_fingerprint(params: object, inputs: Iterable[Path]) -> str:
    """Return a digest of everything that the result of a training depends on.

    That is its parameters, its input files, the versions of its libraries, the number of processes
    and the code: every module of this project that is imported now.

    Args:
        params: Anything whose `repr` shows all parameters, device and precision included.
        inputs: Files and folders that the training reads.
    """
    versions = [version(name) for name in ("numpy", "scikit-learn", "torch")]
    parts = [params, versions, distributed.world_size()]
    digest = hashlib.sha256(" ".join(map(repr, parts)).encode())
    modules = [m for name, m in sys.modules.items() if name.startswith(("stages.", "__main__"))]
    code = {Path(file) for module in modules if (file := getattr(module, "__file__", None))}
    for path in [*sorted(code), *inputs]:
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            digest.update(bytes.fromhex(file_sha256(file)))
    return digest.hexdigest()
