"""Start the processes of a distributed training with torchrun, and connect them."""

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch
from torch import distributed

from stages.common.errors import UserError, exit_with_parent, format_user_error
from stages.common.progress import log
from stages.imdb.engine.distributed import is_main_process

MAX_RESTARTS = 3
ERROR_GRACE_SECONDS = 5.0  # rank 0 reports an error first; the others report only one of their own


def launched_by_torchrun() -> bool:
    """Return True if torchrun started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def launch(module: str, num_processes: int, device: torch.device) -> None:
    """Run `python -m module` with this process's arguments in several processes, by torchrun.

    Raises:
        UserError: If the device is `mps`.
        SystemExit: If a process failed more than MAX_RESTARTS times or hit a UserError.
    """
    if device.type == "mps":
        raise UserError(
            f"imdb.train.num_processes = {num_processes}: a Mac's GPU supports one process only;"
            " set it to 1, or imdb.train.device = 'cpu'"
        )
    # These imports are slow, and a single process does not need them.
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)
    # By default, the processes of a restart use the store of those before. They could find the
    # addresses of killed processes there, and wait for them.
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    options = ["--standalone", f"--nproc-per-node={num_processes}"]
    options += [f"--max-restarts={MAX_RESTARTS}", "-m", module]
    try:
        torchrun([*options, *sys.argv[1:]])
    except SignalException as error:
        sys.exit(128 + error.sigval)
    except ChildFailedError:
        sys.exit(f"error: a training process failed {MAX_RESTARTS + 1} times; its errors are above")


@contextmanager
def stop_on_user_error() -> Iterator[None]:
    """Report a UserError once and stop torchrun, because a restart would only hit it again."""
    try:
        yield
    except UserError as error:
        if not launched_by_torchrun():
            raise
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # torchrun will end this process with it
        if os.environ["RANK"] != "0":
            time.sleep(ERROR_GRACE_SECONDS)
        print(f"error: {format_user_error(error)}", file=sys.stderr, flush=True)
        os.kill(os.getppid(), signal.SIGTERM)
        os._exit(1)


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """Connect the processes that torchrun started. Must be the last thing that a stage does."""
    if not launched_by_torchrun():
        yield
        return
    exit_with_parent(psutil.Process())  # torchrun's processes survive it if it is killed
    check_network_interfaces()
    distributed.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    if is_main_process() and (restarts := os.environ.get("TORCHELASTIC_RESTART_COUNT")) != "0":
        log(f"a training process failed or was killed; restart {restarts} of all processes")
    yield
    distributed.barrier()
    # gloo sometimes aborts while Python shuts down, and torchrun would then train again.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def check_network_interfaces() -> None:
    """Check the names in GLOO_SOCKET_IFNAME, which may be several: `eth0,eth1`.

    Raises:
        UserError: If this machine has no such network interface.
    """
    names = os.environ.get("GLOO_SOCKET_IFNAME", "")
    if names and not {*names.split(",")} <= {*psutil.net_if_addrs()}:
        raise UserError(
            f"GLOO_SOCKET_IFNAME={names}: this machine has no such network interface;"
            f" use one of {', '.join(psutil.net_if_addrs())}"
        )


def local_world_size() -> int:
    """Return the number of these processes on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if launched_by_torchrun() else 1
