"""Run all faults and print a table of the results."""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from tests.clone import Clone, create_clone
from tests.faults.kills import KILLS, kill_until_finished
from tests.faults.network import FAULTS, FILE, OTHER, download
from tests.imdb.made_up import files, pack
from tests.imdb.server import Behaviour, serve

# Longer trainings, so that a kill can hit them.
LONGER: dict[str, object] = {
    "imdb": {
        "mean": {"epochs": 12},
        "pretrain": {"epochs": 2, "threads": 1},  # two threads are slow on a busy machine
        "lstm": {"epochs": 4},
    }
}
EXPERIMENTS = {"short": "imdb.lstm.epochs=1", "narrow": "imdb.lstm.hidden_size=4"}


@dataclass
class Result:
    """One row of the table."""

    fault: str
    count: int
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.fault:40} {self.count:6} {len(self.failures):9}  {'; '.join(self.failures)}"


def network_result(generator: random.Random, count: int) -> Result:
    """Download from a server with random faults."""
    failures = []
    for _ in range(count):
        names = generator.choices(list(FAULTS), k=generator.randint(1, 3))
        part = generator.choice([b"", FILE[:100], FILE[:-1], FILE + b"x", OTHER])
        ranges = generator.random() < 0.7
        with tempfile.TemporaryDirectory() as folder, redirect_stderr(StringIO()):
            error = download([FAULTS[name] for name in names], part, ranges, Path(folder))
        if error:
            failures.append(f"{error} after {names}")
    return Result("network faults", count, failures)


def side_by_side_result(clone: Clone, folder: Path) -> Result:
    """Run two experiments one after the other, and both at once: the results must be equal."""
    locks = []
    for concurrent in (False, True):
        # Each has its own cache, so that the second finds no results of the first.
        fork = clone.fork(folder / f"experiments-{concurrent}")
        processes = []
        for name, change in EXPERIMENTS.items():
            # DVC would wait only three seconds for the other experiment's lock.
            command = ["dvc", "--wait-for-lock", "exp", "run", "--temp", "--name", name]
            processes.append(fork.start(*command, "-S", change))
            if not concurrent:
                processes[-1].wait()
        if any(process.wait() for process in processes):
            return Result("experiments side by side", 2, [fork.log_path.read_text("utf-8")])
        for name in EXPERIMENTS:
            reference = fork.git("for-each-ref", "--format=%(refname)", f"refs/exps/*/*/{name}")
            locks.append(fork.git("show", f"{reference.strip()}:dvc.lock"))
    equal = locks[:2] == locks[2:] and len({clone.lock(), *locks}) == 3
    return Result("experiments side by side", 2, [] if equal else ["different results"])


def kill_results(
    fresh: Clone, expected: Clone, folder: Path, generator: random.Random, count: int
) -> Iterator[Result]:
    """Kill runs of the pipeline in fresh clones, `count` times or a few more."""
    counts: Counter[str] = Counter()
    failures: list[str] = []
    while counts.total() < count:
        clone = fresh.fork(folder / f"killed-{counts.total()}")
        kills, error = kill_until_finished(clone, expected, generator)
        counts.update(map(str, kills))
        print(f"{len(kills)} kills: {error or 'same results'}", file=sys.stderr, flush=True)
        if error:
            failures.append(f"{error} after {', '.join(map(str, kills))}")
    for kill in map(str, KILLS):
        yield Result(kill, counts[kill])
    yield Result("all kills", counts.total(), failures)


def results(folder: Path, kills: int, seed: int) -> Iterator[Result]:
    """Yield the rows of the table, each as soon as it is known."""
    generator = random.Random(seed)  # noqa: S311  not for cryptography
    yield network_result(generator, 100)
    archive = pack(files(), folder / "archive.tar.gz")
    content = archive.read_bytes()
    # The download takes some seconds, so that a kill can hit it too.
    with serve(Behaviour(content, piece=len(content) // 40, pause=0.1)) as url:
        fresh = create_clone(folder / "fresh", archive, url, LONGER)
        undisturbed = fresh.fork(folder / "undisturbed")
        undisturbed.dvc("repro")
        undisturbed.commit("results")
        yield side_by_side_result(undisturbed, folder)
        yield from kill_results(fresh, undisturbed, folder, generator, kills)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="minimum number of kills")
    parser.add_argument("--seed", type=int, default=0, help="of the random faults")
    args = parser.parse_args()
    start = time.monotonic()
    failed = False
    print(f"{'fault':40} {'count':>6} {'failures':>9}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for result in results(Path(folder), args.kills, args.seed):
            print(result, flush=True)
            failed = failed or bool(result.failures)
    print(f"{(time.monotonic() - start) / 60:.0f} minutes")
    sys.exit(failed)


if __name__ == "__main__":
    main()
