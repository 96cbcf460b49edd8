"""A training that was stopped goes on where it stood, to the same bits.

Whatever is random in a step is drawn from the seed and the step's number alone. So the state of a
training is its network, its optimisers, the number of the step, and little more: a `Run`.

Of processes that train together all have the same run, and the first keeps the file; the others get
the run from that one, be its disk on another machine.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from stages.common.files import atomic
from stages.common.progress import say
from stages.imdb import together
from stages.imdb.device import CPU, device_of, has_bfloat16

SECONDS = float(os.environ.get("CHECKPOINT_SECONDS", "10"))  # between two checkpoints, at least

LARGE = 100_000_000  # bytes of a file to which SECONDS apply; twice as many wait twice as long

NetworkT = TypeVar("NetworkT", bound=nn.Module)


@dataclass
class Run(Generic[NetworkT]):
    """All there is to know of a training under way, but for its parameters and its data.

    Attributes:
        network: being trained.
        optimizers: of its weights.
        seed: of everything random in the training.
        step: batches done.
        sums: since the last point of the curves.
        carried: tensors that one step hands to the next.
        curves: what was measured so far, a record a point.
    """

    network: NetworkT
    optimizers: list[torch.optim.Optimizer]
    seed: int
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    carried: dict[str, Tensor] = field(default_factory=dict)
    curves: list[dict[str, float]] = field(default_factory=list)

    def order(self, epoch: int) -> np.random.Generator:
        """The random numbers that the order of an epoch's reviews is drawn from."""
        return np.random.default_rng([self.seed, 0, epoch])

    def random(self) -> np.random.Generator:
        """The random numbers of the step under way; PyTorch's too begin anew."""
        generator = np.random.default_rng([self.seed, 1, self.step])
        # `torch.manual_seed` also notes down, for GPUs to come, where it was called: it takes long.
        torch.default_generator.manual_seed(int(generator.integers(2**63)))
        return generator

    def take_step(self, learning_rate: float) -> None:
        """Update the weights along their gradients, and forget those."""
        for optimizer in self.optimizers:
            optimizer.param_groups[0]["lr"] = learning_rate
            optimizer.step()
            optimizer.zero_grad()

    def add(self, **numbers: float) -> None:
        """Add to the sums."""
        for name, number in numbers.items():
            self.sums[name] = self.sums.get(name, 0.0) + number


class Checkpoint:
    """A file that holds a run of exactly one code, parameters and data."""

    def __init__(self, path: Path, identity: str) -> None:
        """`identity`: see `identity_of`; a file with another one is not this run's."""
        self.path, self.identity = path, identity
        self.saved = time.monotonic()
        self.size = 0  # of the file, in bytes

    def save_if_due(self, run: Run[NetworkT]) -> bool:
        """Save, if it is SECONDS ago or, with a LARGE file, longer; whether it was time."""
        due = time.monotonic() - self.saved >= SECONDS * max(1.0, self.size / LARGE)
        if due:
            self.save(run)
        return due

    def save(self, run: Run[NetworkT]) -> None:
        """Write the file, whole or not at all; of several processes the first does."""
        if together.leads():
            about = {
                "identity": self.identity,
                "step": run.step,
                "sums": run.sums,
                "curves": run.curves,
            }
            with atomic(self.path) as temporary:
                safetensors.torch.save_file(_tensors(run), temporary, {"about": json.dumps(about)})
            self.size = self.path.stat().st_size
        self.saved = time.monotonic()

    def resume(self, run: Run[NetworkT], quiet: bool = False) -> None:
        """Bring a new run to where the file's stood, if there is one that belongs to it.

        That is told, unless `quiet`. Afterwards the run is the same in all processes.
        """
        if together.leads():
            self._read(run, quiet)
        if together.size() > 1:
            about = together.from_first(json.dumps([run.step, run.sums, run.curves]).encode())
            run.step, run.sums, run.curves = json.loads(about)
            tensors = together.from_first(
                safetensors.torch.save(_tensors(run)) if together.leads() else b""
            )
            if not together.leads():
                _restore(run, safetensors.torch.load(tensors))

    def _read(self, run: Run[NetworkT], quiet: bool) -> None:
        try:
            with safetensors.safe_open(self.path, framework="pt") as file:
                about = json.loads(file.metadata()["about"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except FileNotFoundError:
            return
        except safetensors.SafetensorError:
            return say(f"{self.path}: damaged, so the training begins anew")
        if about["identity"] != self.identity:
            return say(f"{self.path}: of other code, parameters or data, so not used")
        run.step, run.sums, run.curves = about["step"], about["sums"], about["curves"]
        _restore(run, tensors)
        self.size = self.path.stat().st_size
        return None if quiet else say(f"{self.path}: resumed after step {run.step:,}")


def _tensors(run: Run[NetworkT]) -> dict[str, Tensor]:
    """Everything of the run that is a tensor, by name."""
    tensors = {f"network/{name}": weight for name, weight in run.network.state_dict().items()}
    tensors |= {f"carried/{name}": tensor for name, tensor in run.carried.items()}
    for number, optimizer in enumerate(run.optimizers):
        for parameter, state in optimizer.state_dict()["state"].items():
            for name, value in state.items():
                # RowAdam counts its steps in an int, which an int64 is the only one here to be.
                tensor = value if isinstance(value, Tensor) else torch.tensor(value)
                tensors[f"optimizer/{number}/{parameter}/{name}"] = tensor
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _restore(run: Run[NetworkT], tensors: dict[str, Tensor]) -> None:
    weights: dict[str, Tensor] = {}
    states: list[dict[int, dict[str, Tensor | int]]] = [{} for _ in run.optimizers]
    for name, tensor in tensors.items():
        kind, _, rest = name.partition("/")
        if kind == "network":
            weights[rest] = tensor
        elif kind == "carried":
            run.carried[rest] = tensor.to(device_of(run.network))
        else:
            number, parameter, key = rest.split("/")
            value = int(tensor) if tensor.dtype == torch.int64 else tensor
            states[int(number)].setdefault(int(parameter), {})[key] = value
    run.network.load_state_dict(weights)
    for optimizer, state in zip(run.optimizers, states, strict=True):
        optimizer.load_state_dict(
            {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
        )


def identity_of(settings: object, inputs: Iterable[Path], device: torch.device = CPU) -> str:
    """A digest of what a training's bits depend on: its code, parameters and data.

    All the code under `stages/` counts: a change too many costs a beginning anew, no more.

    Args:
        settings: the parameters, with a `repr` that tells them all.
        inputs: the files and folders that the training reads.
        device: that it runs on; the number of processes counts too.
    """
    versions = [version(name) for name in ("numpy", "scikit-learn", "torch")]
    parts = [settings, versions, together.size(), device.type, has_bfloat16(device)]
    digest = hashlib.sha256(" ".join(map(repr, parts)).encode())
    code = sorted(Path(__file__).parent.parent.rglob("*.py"))
    for path in [*code, *inputs]:
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
