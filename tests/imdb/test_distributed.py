"""Distributed training, through the command line: it ends where one process does."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import save_file

from stages.common.errors import UserError
from stages.imdb.engine.launcher import check_network_interfaces, launch
from stages.imdb.models.classifiers import LSTMClassifier
from tests.clone import ROOT
from tests.imdb.training_site import TIMEOUT, Site

EPOCHS = 25  # of trainings that are interrupted: long enough for the test to kill a process


def assert_equal_up_to_rounding(
    weights: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]
) -> None:
    """Check each matrix as a whole.

    A single number may differ by more: Adam divides a gradient by its own size, so a gradient that
    is zero except for rounding moves its weight in a random direction.
    """
    assert weights.keys() == expected.keys()
    for key, weight in weights.items():
        difference = (weight - expected[key]).norm() / expected[key].norm()
        assert difference < 1e-4, f"{key}: {difference:.1e}"


def processes(number: int) -> dict[str, object]:
    return {"train": {"num_processes": number}}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def whole(site: Site) -> Site:
    """Return the site with a training of the mean by two processes that was not interrupted."""
    done = site.run("whole", "mean", **processes(2), mean={"epochs": EPOCHS})
    assert done.returncode == 0, done.stderr
    return site


# With three ranks, some batches have fewer reviews, so that a rank has none.
@pytest.mark.parametrize(("what", "ranks"), [("pretrain", 2), ("lstm", 3)])
def test_the_number_of_processes_changes_only_the_rounding(
    site: Site, what: str, ranks: int
) -> None:
    for number in (1, ranks):
        done = site.run(str(number), what, **processes(number))
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("unlabelled") == 1, f"rank 0 alone logs: {done.stderr}"
        assert "little data" not in done.stderr
    curves, weights = site.curves("1", what), site.weights("1", what)
    assert all(np.ptp(values) > 0 for key, values in curves.items() if "loss" in key)
    name = str(ranks)
    assert site.curves(name, what).keys() == curves.keys()
    for key, values in site.curves(name, what).items():
        assert values == pytest.approx(curves[key], abs=1e-5), key
    assert_equal_up_to_rounding(site.weights(name, what), weights)
    left = {path.name for path in (site.folder / name).iterdir() if what in path.name}
    assert left == {what, f"{what}-live"}, "no checkpoint is left"
    assert not all(torch.equal(site.weights(name, what)[key], weights[key]) for key in weights)


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def worker(parent: psutil.Process, rank: str) -> psutil.Process:
    """Return the training process of a rank."""
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        for process in parent.children(recursive=True):
            try:
                if process.environ().get("RANK") == rank:
                    return process
            except psutil.Error:  # it has exited
                continue
        time.sleep(0.02)
    raise AssertionError("no such process")


def start(site: Site, name: str) -> subprocess.Popen[str]:
    """Start a training of the mean by two processes; return when it has written a checkpoint."""
    shutil.rmtree(site.folder / name, ignore_errors=True)
    command = site.command(name, "mean", **processes(2), mean={"epochs": EPOCHS})
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "CHECKPOINT_SECONDS": "0"},
    )  # fmt: skip
    wait_for(lambda: list((site.folder / name / "mean-checkpoints").glob("seed*")))
    return process


def test_after_a_killed_process_all_restart_and_end_with_the_same_bits(
    site: Site, whole: Site
) -> None:
    process = start(site, "killed")
    worker(psutil.Process(process.pid), "1").kill()
    log = process.communicate(timeout=TIMEOUT)[1]
    assert process.returncode == 0, log
    assert "a training process failed or was killed; restart 1 of all processes" in log
    assert "resumed after step" in log
    assert site.curves("killed", "mean") == whole.curves("whole", "mean")
    expected = whole.weights("whole", "mean")
    assert all(torch.equal(w, expected[key]) for key, w in site.weights("killed", "mean").items())


def test_no_process_outlives_the_stage(site: Site) -> None:
    process = start(site, "ended")
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) == 2
    process.kill()
    process.communicate(timeout=TIMEOUT)
    assert psutil.wait_procs(family, TIMEOUT)[1] == []
    assert not (site.folder / "ended" / "mean").exists()


def test_a_user_error_is_reported_once_and_not_retried(site: Site) -> None:
    sizes = {"vocab_size": site.vocab_size, "embedding_dim": 8, "hidden_size": 8}
    weights = LSTMClassifier(**sizes, num_buckets=1_000).state_dict()
    weights = {name: w for name, w in weights.items() if not name.startswith("output")}
    weights["embedding.weight"].fill_(3e38)  # their norm overflows
    bad = site.folder / "bad"
    bad.mkdir()
    save_file(weights, bad / "forward.safetensors")
    done = site.run("diverged", "lstm", "--pretrained", str(bad), **processes(2))
    assert done.returncode != 0
    assert done.stderr.count("the training diverged") == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert not (site.folder / "diverged" / "lstm").exists()


def test_an_error_before_the_processes_connect_is_reported_once(site: Site) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--max-restarts=3"]
    command = site.command("missing", "mean", **processes(2))
    command[command.index(str(site.folder / "corpus"))] = str(site.folder / "none")
    done = subprocess.run(
        [*torchrun, "--nproc-per-node=2", "-m", *command],
        capture_output=True, text=True, cwd=ROOT, timeout=TIMEOUT, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert done.stderr.count("none: not a folder of tokenized reviews") == 1, done.stderr


def test_a_wrong_network_interface_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    existing = next(iter(psutil.net_if_addrs()))
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", f"{existing},{existing}")
    check_network_interfaces()
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", f"{existing},nothing0")
    with pytest.raises(UserError, match="nothing0: this machine has no such network interface"):
        check_network_interfaces()


def test_a_macs_gpu_is_for_one_process() -> None:
    with pytest.raises(UserError, match="num_processes = 2: a Mac's GPU supports one"):
        launch("stages.imdb.training.main", 2, torch.device("mps"))


@pytest.fixture
def hosts() -> Iterator[dict[str, list[str]]]:
    """Join two network namespaces by a cable; yield the command prefix of each by address."""
    names = [f"reviews-{os.getpid()}-{end}" for end in "ab"]
    cable = [f"v{os.getpid()}{end}" for end in "ab"]
    addresses = ["10.203.0.1", "10.203.0.2"]

    def ip(command: str) -> bool:
        return not subprocess.run(["ip", *command.split()], capture_output=True).returncode

    if shutil.which("ip") is None or not ip(f"netns add {names[0]}"):
        pytest.skip("needs to be root on Linux with iproute2, to create networks")
    try:
        assert ip(f"netns add {names[1]}")
        assert ip(f"link add {cable[0]} type veth peer name {cable[1]}")
        for name, end, address in zip(names, cable, addresses, strict=True):
            assert ip(f"link set {end} netns {name}")
            assert ip(f"-n {name} addr add {address}/24 dev {end}")
            assert ip(f"-n {name} link set {end} up")
            assert ip(f"-n {name} link set lo up")
        yield {
            address: ["ip", "netns", "exec", name, "env", f"GLOO_SOCKET_IFNAME={end}"]
            for name, end, address in zip(names, cable, addresses, strict=True)
        }
    finally:
        for name in names:
            ip(f"netns del {name}")


def test_two_machines_train_like_two_processes_of_one(
    site: Site, whole: Site, hosts: dict[str, list[str]]
) -> None:
    """Each machine has folders of its own. The second process is killed, and all restart."""
    first = next(iter(hosts))
    environment = {
        **os.environ,
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
    }  # as docs/experiments.md
    running = {}
    for address, prefix in hosts.items():
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2"]
        # On a busy machine the two may restart out of step, which costs further restarts.
        torchrun += ["--nproc-per-node=1", "--max-restarts=9", "--rdzv-backend=c10d"]
        torchrun += [f"--rdzv-endpoint={first}:29400", f"--local-addr={address}"]
        torchrun += [f"--rdzv-conf=is_host={str(address == first).lower()}", "-m"]
        command = site.command(f"host-{address}", "mean", mean={"epochs": EPOCHS})
        running[address] = subprocess.Popen(
            [*prefix, *torchrun, *command],
            stderr=subprocess.PIPE, text=True, cwd=ROOT,
            env={**environment, "CHECKPOINT_SECONDS": "0"},
        )  # fmt: skip
    try:
        wait_for(lambda: list(site.folder.glob("host-*/mean-checkpoints/seed*")))
        ranks = [
            process
            for parent in running.values()
            for process in psutil.Process(parent.pid).children(recursive=True)
            if process.environ().get("RANK") == "1"
        ]
        ranks[0].kill()
        logs = {
            address: process.communicate(timeout=TIMEOUT)[1] for address, process in running.items()
        }
    finally:
        for process in running.values():
            process.kill()
    assert [process.returncode for process in running.values()] == [0, 0], logs
    [out] = site.folder.glob("host-*/mean")  # rank 0 alone writes
    assert "resumed after step" in logs[out.parent.name.removeprefix("host-")]
    expected = whole.weights("whole", "mean")
    weights = site.weights(out.parent.name, "mean")
    assert all(torch.equal(weights[key], expected[key]) for key in expected)
