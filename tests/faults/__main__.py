"""Run the campaign and print what came of it."""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.clone import Clone
from tests.faults.archives import hostile
from tests.faults.kills import COMMANDS, SIGNALS, WHOLE, Kill, plan, try_kills, verdict, watched
from tests.faults.network import FAULTS, FILE, OTHER, download
from tests.faults.side_by_side import experiments
from tests.faults.site import ELSEWHERE, PROJECTS_1_AND_2, Site, lock, site, start
from tests.faults.starve import (
    Stage,
    refused,
    run_full,
    run_short,
    small_disk,
    stages,
    starved,
)

PLACES = [*COMMANDS, WHOLE]
REPRO = ["dvc", "repro"]


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    fault: str
    tried: int
    lost: int
    remark: str = ""

    def __str__(self) -> str:
        survived = self.tried - self.lost
        return f"{self.fault:44} {self.tried:6} {survived:9} {self.lost:5}  {self.remark}"


HEADING = f"{'fault':44} {'tried':>6} {'survived':>9} {'lost':>5}"


def kill_rows(
    place: Site, reference: tuple[str, dict[str, float]], count: int, seed: int
) -> Iterator[Row]:
    """Kill every long stage, and DVC itself, at random moments."""
    template = place.clone("template")
    start(template, *REPRO, *PROJECTS_1_AND_2).wait()
    place.commit(template)

    generator = random.Random(seed)  # noqa: S311  nothing secret
    kills: list[Kill] = []
    for number, kills_of_round in enumerate(plan(generator)):
        clone = place.copy(template, f"killed-{number}")
        try_kills(clone, kills_of_round, reference, REPRO)
        kills += [kill for kill in kills_of_round if kill.struck]
        for kill in kills_of_round:
            print(kill, file=sys.stderr, flush=True)  # long before the table
        if len(kills) >= count:
            break
    for where in PLACES:
        for how in SIGNALS:
            those = [kill for kill in kills if (kill.place, kill.how) == (where, how)]
            remarks = []
            if undone := max([0.0, *(kill.undone for kill in those)]):
                remarks.append(f"at most {undone:.1f} s of training done again")
            if mended := [kill.mended for kill in those if kill.mended]:
                remarks.append(f"mended by hand: {', '.join(mended)}")
            lost = sum(bool(kill.trouble) for kill in those)
            yield Row(f"{how} in {where}", len(those), lost, "; ".join(remarks))


def determinism_row(place: Site, calm: Clone) -> Row:
    """Another clean clone must give the same dvc.lock: a checksum of every output, to the byte."""
    other = place.clone("again")
    ended = start(other, *REPRO, **ELSEWHERE).wait()
    same = ended == 0 and lock(other) == lock(calm) and not verdict(other, lock(calm))
    return Row("a second clean clone", 1, int(not same))


def starve_rows(place: Site, calm: Clone) -> Iterator[Row]:
    """Run every stage without disk or with little memory, and once more with enough."""
    tasks = stages(calm)
    try:
        with small_disk(place.folder / "small", calm) as folder:
            told = [starved(stage, folder, partial(run_full, folder=folder)) for stage in tasks]
        yield summary("a full disk, at every stage", tasks, told)
    except PermissionError as error:
        yield Row("a full disk, at every stage", 0, 0, str(error))
    folder = place.copy(calm, "starved").folder
    for share in (0.9, 0.7, 0.5):
        told = [
            starved(stage, folder, partial(run_short, folder=folder, share=share))
            for stage in tasks
        ]
        yield summary(f"{share:.0%} of the memory, at every stage", tasks, told)


def summary(fault: str, tasks: list[Stage], troubles: list[str]) -> Row:
    lost = [f"{stage.name}: {why}" for stage, why in zip(tasks, troubles, strict=True) if why]
    return Row(fault, len(tasks), len(lost), "; ".join(lost))


def network_row(seed: int, count: int) -> Row:
    """Download while the server does its worst, in any order."""
    generator = random.Random(seed)  # noqa: S311  nothing secret
    lost = []
    for _ in range(count):
        names = generator.choices(list(FAULTS), k=generator.randint(1, 3))
        part = generator.choice([b"", FILE[:100], FILE[:-1], FILE + b"x", OTHER])
        with tempfile.TemporaryDirectory() as folder:
            ranges = generator.random() < 0.7
            why = download([FAULTS[name] for name in names], part, ranges, Path(folder))
        lost += [f"{why} after {names}"] if why else []
    return Row("faults of the network", count, len(lost), "; ".join(lost))


def archive_row(place: Site) -> Row:
    """Hand the download stage archives that are not the data set."""
    folder, archives = place.folder / "hostile", place.folder / "archives"
    archives.mkdir()  # the site's own archive must stay what it is
    lost, tried = [], 0
    for name, path, per_class in hostile(archives):
        tried += 1
        why = refused(path, per_class, folder)
        lost += [f"{name}: {why}"] if why else []
    return Row("archives that are not the data set", tried, len(lost), "; ".join(lost))


def side_by_side_row(place: Site, calm: Clone) -> Row:
    """Two experiments at once must give what they give in turn."""
    wishes = {"few": "imdb.lstm.epochs=1", "narrow": "imdb.lstm.hidden=4"}
    results = []
    for together in (False, True):
        clone = place.copy(calm, f"experiments-{together}")
        place.commit(clone)
        results.append(experiments(clone, wishes, together))
    right = results[0] == results[1] and len({lock(calm), *results[0]}) == 3
    return Row("two experiments side by side", 2, 0 if right else 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="how many at least")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    args = parser.parse_args()
    began = time.monotonic()
    rows = []
    print(HEADING, flush=True)
    with tempfile.TemporaryDirectory() as folder, site(Path(folder)) as place:
        for row in campaign(place, args.kills, args.seed):
            rows.append(row)
            print(row, flush=True)
    tried, lost = sum(row.tried for row in rows), sum(row.lost for row in rows)
    print(Row("all", tried, lost, f"in {(time.monotonic() - began) / 60:.0f} minutes"))
    sys.exit(lost > 0)


def campaign(place: Site, kills: int, seed: int) -> Iterator[Row]:
    """All the rows of the table, each as soon as it is known."""
    yield network_row(seed, 100)
    yield archive_row(place)
    calm = place.clone("undisturbed")
    spans = watched(start(calm, *REPRO))
    yield determinism_row(place, calm)
    yield from starve_rows(place, calm)
    yield side_by_side_row(place, calm)
    yield from kill_rows(place, (lock(calm), spans), kills, seed)


if __name__ == "__main__":
    main()
