"""Processes that train one network together end where one alone does, through the command line."""

import os
import shutil
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import distributed
from torch.nn import functional as F  # noqa: N812  its name in every PyTorch text

from stages.common.errors import StageError
from stages.imdb import device, pretraining, together
from stages.imdb.predictions import Predictions, write
from stages.imdb.reviews import load, write_ids, write_offsets, write_words
from tests.clone import ROOT, SMALL, update
from tests.imdb.made_up import review

# Seven reviews a batch and a last one of fewer; five streams: neither is a multiple of 2 or 4.
TRAINED: dict[str, object] = {
    "seeds": [1],
    "mean": {"batch": 7, "epochs": 2, "ngrams": 2, "buckets": 1_000},
    "pretrain": {"batch": 5, "epochs": 2, "threads": 1},
    "lstm": {
        "batch": 7, "epochs": 2, "dropout": 0.4, "word_dropout": 0.2, "window": 12,
        "ngrams": 2, "buckets": 1_000,
        "refine": {"epochs": 1, "perturbation": 0.05},
    },
}  # fmt: skip
GUARD = 300.0  # seconds, in case a thing never happens


class Site:
    """A folder with tokenized reviews, their ratings, and whatever is trained on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        generator = np.random.default_rng(0)
        texts = [review(i % 2 == 0, generator).split() for i in range(66)]
        vocabulary = ["<pad>", "<unk>", *sorted({word for text in texts for word in text})]
        numbers = {word: number for number, word in enumerate(vocabulary)}
        ids = np.array([numbers[word] for text in texts for word in text], np.int32)
        index = pd.DataFrame(
            {
                "id": [str(i) for i in range(66)],
                "split": ["train"] * 40 + ["unlabelled"] * 26,
                "film": [f"film {i // 4}" for i in range(66)],
                "label": [1 - i % 2 for i in range(40)] + [-1] * 26,
            }
        )
        (folder / "reviews").mkdir()
        write_words(vocabulary, folder / "reviews")
        write_ids([ids], folder / "reviews")
        write_offsets(array("q", map(len, texts)), folder / "reviews")
        index.to_parquet(folder / "reviews/index.parquet")
        good = generator.random((1, 26)).astype(np.float32)
        ratings = np.stack([1 - good, good], axis=2)
        write(
            Predictions("linear", "made up", ["bad", "good"], 1, [0], ratings), folder / "ratings"
        )

    def parameters(self, name: str, changes: dict[str, object]) -> Path:
        tree = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
        update(tree, SMALL)
        update(tree["imdb"], TRAINED)
        update(tree["imdb"], changes)
        (self.folder / name).mkdir(exist_ok=True)
        path = self.folder / name / "params.yaml"
        path.write_text(yaml.safe_dump(tree), "utf-8")
        return path

    def command(self, name: str, what: str, **changes: object) -> list[str]:
        """The stage that trains `what`, into a folder of this name."""
        place = self.folder / name
        args = ["--params", self.parameters(name, changes), "--reviews", self.folder / "reviews"]
        args += ["--live", place / f"{what}-live", "--checkpoints", place / f"{what}-kept"]
        args += ["--out", place / what]
        if what == "pretrain":
            return ["stages.imdb.pretrain", *map(str, args)]
        args += ["--teacher", self.folder / "ratings"]
        return ["stages.imdb.train", what, *map(str, args)]

    def run(self, name: str, what: str, **changes: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *self.command(name, what, **changes)]
        return subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, env=self.environment(), check=False
        )

    def environment(self, **more: str) -> dict[str, str]:
        """One in which all is computed in float32: bfloat16 rounds too coarsely to compare."""
        coarse = self.folder / "float32"
        coarse.mkdir(exist_ok=True)
        (coarse / "sitecustomize.py").write_text(
            "import torch\ntorch.cpu._is_avx512_bf16_supported = lambda: False\n"
        )
        return {**os.environ, "PYTHONPATH": str(coarse), **more}

    def curves(self, name: str, what: str) -> dict[str, list[float]]:
        """The values of each curve."""
        place = self.folder / name / f"{what}-live"
        return {
            str(path.relative_to(place)): pd.read_csv(path, sep="\t").iloc[:, -1].tolist()
            for path in sorted(place.rglob("*.tsv"))
        }

    def weights(self, name: str, what: str) -> dict[str, torch.Tensor]:
        out = self.folder / name / what
        return load_file(out if out.is_file() else out / "seed-1.safetensors")


def assert_nearly_the_same(
    weights: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]
) -> None:
    """Each matrix as a whole differs by no more than rounding.

    A single number may differ by more: Adam divides a gradient by its own size, so one that is
    zero but for rounding moves its weight, and rounding says where to.
    """
    assert weights.keys() == expected.keys()
    for key, weight in weights.items():
        difference = (weight - expected[key]).norm() / expected[key].norm()
        assert difference < 1e-4, f"{key}: {difference:.1e}"


def processes(number: int) -> dict[str, object]:
    return {"train": {"processes": number}}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


@pytest.mark.parametrize("what", ["mean", "pretrain", "lstm"])
def test_the_number_of_processes_changes_no_more_than_the_rounding(site: Site, what: str) -> None:
    for number in (1, 2, 4):
        done = site.run(str(number), what, **processes(number))
        assert done.returncode == 0, done.stderr
        # gloo may abort a process as it ends; then all start again, from the last checkpoint.
        starts = 1 + done.stderr.count("all start again")
        assert done.stderr.count("unlabelled reviews") == starts, f"told by one: {done.stderr}"
    curves, weights = site.curves("1", what), site.weights("1", what)
    assert all(np.ptp(values) > 0 for key, values in curves.items() if "loss" in key), "it learns"
    for several in ("2", "4"):
        assert site.curves(several, what).keys() == curves.keys()
        for key, values in site.curves(several, what).items():
            assert values == pytest.approx(curves[key], abs=1e-5), key
        assert_nearly_the_same(site.weights(several, what), weights)
        left = {path.name for path in (site.folder / several).iterdir() if what in path.name}
        assert left == {what, f"{what}-live"}
    assert not all(torch.equal(site.weights("4", what)[key], weights[key]) for key in weights)


def test_a_process_without_a_review_in_the_batch_takes_part_all_the_same(site: Site) -> None:
    small = {"mean": {"batch": 2, "epochs": 1, "ngrams": 1}}
    for number in (1, 3):
        done = site.run(f"few-{number}", "mean", **small, **processes(number))
        assert done.returncode == 0, done.stderr
    assert_nearly_the_same(site.weights("few-3", "mean"), site.weights("few-1", "mean"))


def worker(parent: psutil.Process, rank: str, others: set[int]) -> psutil.Process:
    """The training process of this rank, none of `others`."""
    end = time.monotonic() + GUARD
    while time.monotonic() < end:
        for process in parent.children(recursive=True):
            try:
                if process.environ().get("RANK") == rank and process.pid not in others:
                    return process
            except psutil.Error:  # gone
                continue
        time.sleep(0.02)
    raise AssertionError("no such process")


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + GUARD
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def begin(site: Site, name: str) -> subprocess.Popen[str]:
    """A training of the mean by two processes, which has written its first checkpoint."""
    shutil.rmtree(site.folder / name, ignore_errors=True)
    command = site.command(name, "mean", **processes(2), mean={"epochs": 12})
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        stderr=subprocess.PIPE, text=True, cwd=ROOT, env=site.environment(CHECKPOINT_SECONDS="0"),
    )  # fmt: skip
    wait_for(lambda: list((site.folder / name / "mean-kept").glob("seed*")))
    return process


def test_a_killed_process_is_started_again_and_all_end_with_the_same_bits(site: Site) -> None:
    whole = site.run("whole", "mean", **processes(2), mean={"epochs": 12})
    assert whole.returncode == 0, whole.stderr
    process = begin(site, "killed")
    worker(psutil.Process(process.pid), "1", set()).kill()
    said = process.communicate()[1]
    assert process.returncode == 0, said
    assert "a training process was killed; all start again from the last checkpoint" in said
    assert "resumed after step" in said
    assert "Traceback" not in said
    assert site.curves("killed", "mean") == site.curves("whole", "mean")
    expected = site.weights("whole", "mean")
    assert all(torch.equal(w, expected[key]) for key, w in site.weights("killed", "mean").items())


def test_when_a_process_is_killed_again_and_again_that_is_told_in_one_line(site: Site) -> None:
    process = begin(site, "hopeless")
    seen: set[int] = set()
    for _ in range(together.ANEW + 1):
        victim = worker(psutil.Process(process.pid), "0", seen)
        seen.add(victim.pid)
        victim.kill()
    said = process.communicate()[1]
    assert process.returncode == 1
    assert said.splitlines()[-1].startswith("error: a training process was killed, 4 times")
    assert "Traceback" not in said
    assert not (site.folder / "hopeless" / "mean").exists()


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_no_process_outlives_the_stage(site: Site, how: str) -> None:
    process = begin(site, f"ended-{how}")
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) == 2
    getattr(process, how)()
    said = process.communicate()[1]
    assert process.returncode == (-9 if how == "kill" else 128 + 15)
    assert psutil.wait_procs(family, GUARD)[1] == []
    assert "error" not in said
    assert not (site.folder / f"ended-{how}" / "mean").exists()


def test_a_training_that_diverges_is_told_once_and_not_tried_again(site: Site) -> None:
    done = site.run("start", "pretrain", **processes(1))
    assert done.returncode == 0, done.stderr
    weights = site.weights("start", "pretrain")
    weights["embedding.weight"].fill_(3e38)  # whose length as a vector is infinite
    place = site.folder / "diverged"
    command = site.command("diverged", "lstm", **processes(2))
    save_file(weights, place / "bad.safetensors")
    done = subprocess.run(
        [sys.executable, "-m", *command, "--pretrained", str(place / "bad.safetensors")],
        capture_output=True, text=True, cwd=ROOT, env=site.environment(), check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("the training diverged") == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert not (place / "lstm").exists()


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_whose_others_never_come_does_not_wait_for_ever(rank: int) -> None:
    store = distributed.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    code = (
        "import torch; from datetime import timedelta; from stages.imdb import together\n"
        "together.MEETING = timedelta(seconds=1)\n"
        "with together.joined(torch.device('cpu')): print('joined')"
    )
    # As torchrun sets them, which keeps the store itself.
    place = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(store.port), "WORLD_SIZE": "2"}
    place |= {"RANK": str(rank), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=GUARD,
        env={**os.environ, **place}, check=False,
    )  # fmt: skip
    assert done.returncode == together.LOST, done.stderr
    assert done.stdout == ""


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is such a device here")
def test_a_device_that_is_not_there_is_refused(site: Site) -> None:
    done = site.run("device", "mean", train={"device": "cuda"})
    assert done.returncode == 1
    assert done.stderr == (
        f"error: imdb.train.device = 'cuda': PyTorch {torch.__version__} finds none on this"
        f" machine; allowed here: auto, cpu{', mps' if torch.mps.is_available() else ''}\n"
    )
    assert device.choose("auto") == device.choose("cpu") == torch.device("cpu")


def test_each_process_has_a_graphics_card_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert device.choose("auto") == torch.device("cuda", 1)
    assert chosen == [torch.device("cuda", 1)]
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(StageError, match=r"imdb\.train\.processes: process 3 .* allowed here: 2"):
        device.choose("cuda")


def test_alone_dropout_is_pytorchs_own() -> None:
    states = torch.randn(48, 30)
    torch.manual_seed(3)
    expected = F.dropout(states, 0.4)
    torch.manual_seed(3)
    assert torch.equal(together.Dropout(0.4)(states), expected)
    assert torch.equal(together.Dropout(0.4).eval()(states), states)


def test_streams_are_read_in_parts(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    reviews = load(site.folder / "reviews")
    places = np.arange(3, 60)
    streams = pretraining.Streams(reviews, places, 5, np.random.default_rng(1))
    order = np.random.default_rng(1).permutation(places)
    text = np.concatenate([[pretraining.PAD, *reviews[i]] for i in order])
    whole = streams.read(range(5), 0, streams.length)
    assert np.array_equal(whole.ravel(), text[: whole.size])
    assert len(text) - whole.size < 5
    assert np.array_equal(streams.read([4, 1], 2, 9), whole[[4, 1], 2:9])
    monkeypatch.setattr(pretraining, "STRETCH", 3)
    windows = [*streams.windows([0, 3], 4, 2, 9)]
    expected = [whole[[0, 3], 4 * i : 4 * i + 5] for i in range(2, 9)]
    assert np.array_equal(np.stack(windows), np.stack(expected))


@pytest.fixture
def hosts() -> Iterator[dict[str, list[str]]]:
    """Two network namespaces joined by a cable: what runs a command in each, by its address."""
    names = [f"reviews-{os.getpid()}-{end}" for end in "ab"]
    cable = [f"v{os.getpid()}{end}" for end in "ab"]
    addresses = ["10.203.0.1", "10.203.0.2"]

    def ip(command: str) -> bool:
        return not subprocess.run(["ip", *command.split()], capture_output=True).returncode

    if shutil.which("ip") is None or not ip(f"netns add {names[0]}"):
        pytest.skip("needs to be root on Linux with iproute2, to make networks")
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


def test_two_machines_train_as_two_processes_of_one(
    site: Site, hosts: dict[str, list[str]]
) -> None:
    """Each with folders of its own; the one of the second is killed, and all start again."""
    first = next(iter(hosts))
    environment = site.environment(CHECKPOINT_SECONDS="0")
    running = {}
    for address, within in hosts.items():
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2"]
        # On a busy machine the two may start again out of step, and once more for that.
        torchrun += ["--nproc-per-node=1", "--max-restarts=9", "--rdzv-backend=c10d"]
        torchrun += [f"--rdzv-endpoint={first}:29400", f"--local-addr={address}"]
        torchrun += [f"--rdzv-conf=is_host={str(address == first).lower()}", "-m"]
        command = site.command(f"host-{address}", "mean", mean={"epochs": 12})
        running[address] = subprocess.Popen(
            [*within, *torchrun, *command],
            stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment,
        )  # fmt: skip
    try:
        wait_for(lambda: list(site.folder.glob("host-*/mean-kept/seed*")))
        followers = [
            process
            for parent in running.values()
            for process in psutil.Process(parent.pid).children(recursive=True)
            if process.environ().get("RANK") == "1"
        ]
        followers[0].kill()
        said = {
            address: process.communicate(timeout=GUARD)[1] for address, process in running.items()
        }
    finally:
        for process in running.values():
            process.kill()
    assert [process.returncode for process in running.values()] == [0, 0], said
    [out] = site.folder.glob("host-*/mean")  # one alone has written
    assert out.parent.name.removeprefix("host-") in said
    assert "resumed after step" in said[out.parent.name.removeprefix("host-")]
    whole = site.run("whole", "mean", **processes(2), mean={"epochs": 12})
    assert whole.returncode == 0, whole.stderr
    expected = site.weights("whole", "mean")
    weights = site.weights(out.parent.name, "mean")
    assert all(torch.equal(weights[key], expected[key]) for key in expected)
