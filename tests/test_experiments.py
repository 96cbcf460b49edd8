"""What docs/experiments.md walks through, done in a clone: run, queue, compare, keep."""

import json
import re
import shlex
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.imdb.download import STANFORD
from tests.clone import ROOT, Clone
from tests.imdb.made_up import files, pack

README = (ROOT / "README.md").read_text("utf-8")
GUIDE = (ROOT / "docs" / "experiments.md").read_text("utf-8")


class Project:
    """A fork of the reproduced clone, with an experiment run and a grid run by the queue."""

    def __init__(self, clone: Clone, folder: Path) -> None:
        self.fork = clone.fork(folder / "project")
        self.dvc = self.fork.dvc
        archive = pack(files(), folder / "archive.tar.gz")

        self.dvc("exp", "run", "--name", "wide", "-S", "imdb.lstm.hidden=256")
        self.restore()
        # One stage of a grid is enough to see the queue work.
        self.dvc("exp", "run", "--queue", "-S", "mlp.hidden=4,8,16", "mlp_numpy")
        # The parameter has `download` run again, in a folder that has no archive: the server of the
        # clone's is gone, and only the variable tells where a copy is.
        self.dvc("exp", "run", "--queue", "--name", "named", "-S", "imdb.source=auto", "download")
        self.before = self.fork.git("status", "--short")
        self.dvc("queue", "start", "--jobs", "2", archive=archive)
        self.queue = self.wait()
        self.after = self.fork.git("status", "--short")

    def restore(self) -> None:
        """Go back to what is committed."""
        self.fork.git("checkout", "-qf", "main")
        self.dvc("checkout")

    def wait(self) -> str:
        """The status of the queue once nothing in it waits or runs."""
        deadline = time.monotonic() + 600
        while True:
            asked = self.fork.command("dvc", "queue", "status")
            # It may fail on a file that a worker has just removed; then it is asked again.
            if asked.returncode == 0 and not re.search("Queued|Running", asked.stdout):
                return asked.stdout
            assert time.monotonic() < deadline, asked.stdout + asked.stderr
            time.sleep(1)

    def experiments(self) -> dict[str, dict[str, Any]]:
        """Name to parameters, metrics and the like of each experiment."""
        shown = json.loads(self.dvc("exp", "show", "--json"))
        baseline = next(row for row in shown if row["name"] == "main")
        return {exp["name"]: exp["revs"][0]["data"] for exp in baseline["experiments"]}

    def params(self) -> Any:
        return yaml.safe_load((self.fork.folder / "params.yaml").read_text("utf-8"))


@pytest.fixture(scope="module")
def project(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(clone, tmp_path_factory.mktemp("experiments"))


def value(data: dict[str, Any], kind: str, file: str, *keys: str) -> Any:
    """A parameter or metric of an experiment."""
    found = data[kind][file]["data"]
    for key in keys:
        found = found[key]
    return found


def test_the_queue_runs_a_grid_beside_the_work_tree(project: Project) -> None:
    assert project.queue.count("Success") == 4, project.queue
    assert project.before == project.after == ""
    experiments = project.experiments()
    hidden = {name: value(data, "params", "params.yaml", "mlp", "hidden")
              for name, data in experiments.items()}  # fmt: skip
    assert sorted(hidden.values()) == [4, 8, 16, 16, 16]
    losses = {value(experiments[name], "metrics", "metrics/mlp_numpy.json", "numpy", "loss")
              for name in hidden}  # fmt: skip
    assert len(losses) == 3


def test_a_worker_reads_the_archive_that_the_variable_names(project: Project) -> None:
    named = project.experiments()["named"]
    assert value(named, "params", "params.yaml", "imdb", "source") == "auto"
    assert value(named, "metrics", "metrics/imdb_data.json", "data") == STANFORD


def test_the_table_of_the_readme_fits_120_columns(project: Project) -> None:
    command = next(line for line in README.splitlines() if line.strip().startswith("dvc exp show"))
    assert command.strip() in GUIDE
    table = project.dvc(*shlex.split(command)[1:])
    assert max(map(len, table.splitlines())) <= 120
    header = next(line for line in table.splitlines() if "Experiment" in line)
    assert set(header.split()) >= {"numpy.acc", "lstm.acc", "gain.points"}
    assert set(header.split()) >= {"mlp.hidden", "imdb.lstm.hidden", "imdb.source"}
    for name in project.experiments():
        assert f"[{name}]" in table


def test_experiments_are_compared(project: Project) -> None:
    four = next(name for name, data in project.experiments().items()
                if value(data, "params", "params.yaml", "mlp", "hidden") == 4)  # fmt: skip
    for revisions in (["HEAD", four], ["wide", four]):
        changes = json.loads(project.dvc("params", "diff", *revisions, "--json"))["params.yaml"]
        assert changes["mlp.hidden"] == {"old": 16, "new": 4, "diff": -12}
        assert ("imdb.lstm.hidden" in changes) == ("wide" in revisions)
        changes = json.loads(project.dvc("metrics", "diff", *revisions, "--json"))
        assert "numpy.loss" in changes["metrics/mlp_numpy.json"]
        both = json.loads(project.dvc("exp", "diff", *revisions, "--json"))
        assert both["params"]["params.yaml"]["mlp.hidden"] == {"old": 16, "new": 4, "diff": -12}
        name = "Hand-written network, loss"
        plots = json.loads(project.dvc("plots", "diff", *revisions, "--json", "--targets", name))
        points = plots["data"][name][0]["content"]["data"]["values"]
        assert {point["rev"] for point in points} == set(revisions)


def test_an_experiment_is_applied_branched_and_saved(project: Project) -> None:
    project.dvc("exp", "apply", "wide")
    assert project.params()["imdb"]["lstm"]["hidden"] == 256
    assert project.fork.stale() == set()
    project.restore()
    assert project.params()["imdb"]["lstm"]["hidden"] == 8

    project.dvc("exp", "branch", "wide", "wide-lstm")
    assert "hidden: 256" in project.fork.git("show", "wide-lstm:params.yaml")

    project.fork.set({"mlp": {"hidden": 3}})
    project.dvc("repro", "mlp_numpy")
    project.dvc("exp", "save", "--name", "by-hand")
    assert value(project.experiments()["by-hand"], "params", "params.yaml", "mlp", "hidden") == 3
    project.restore()


def test_an_experiment_runs_beside_a_work_tree_in_use(project: Project) -> None:
    path = project.fork.folder / "README.md"
    path.write_text("being written\n", "utf-8")
    project.dvc("exp", "run", "--temp", "--name", "beside", "-S", "mlp.hidden=5", "mlp_numpy")
    assert project.fork.git("status", "--short") == " M README.md\n"
    assert value(project.experiments()["beside"], "params", "params.yaml", "mlp", "hidden") == 5
    project.restore()


def test_the_guide_fits_a_terminal_and_names_no_machine() -> None:
    assert "docs/experiments.md" in README
    assert max(map(len, GUIDE.splitlines())) <= 120
    assert not re.search(r"\s/(tmp|home|root)\b", GUIDE)
