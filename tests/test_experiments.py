"""The commands of docs/experiments.md in a clone: run, queue, compare, apply, save."""

import json
import re
import shlex
import time
from typing import Any

import pytest

from stages.imdb.download.main import STANFORD
from tests.clone import ROOT, Clone

README = (ROOT / "README.md").read_text("utf-8")
GUIDE = (ROOT / "docs" / "experiments.md").read_text("utf-8")
PARAMS = "params.yaml"
HIDDEN_SIZE = ["mlp", "hidden_size"]


class Project:
    """A fork in which one experiment has run, and three more through the queue."""

    def __init__(self, fork: Clone) -> None:
        self.fork = fork
        self.dvc = fork.dvc
        self.dvc(
            "exp", "run", "--name", "short", "-S", "imdb.lstm.epochs=1", "evaluate@lstm", "compare"
        )
        self.restore()
        # A grid of one stage is enough to test the queue.
        self.dvc("exp", "run", "--queue", "-S", "mlp.hidden_size=4,8", "mlp_numpy")
        # Another source reruns `download`. The queue's temporary folder has no archive, and the
        # server of the clone is gone, so only IMDB_ARCHIVE says where a copy is.
        self.dvc("exp", "run", "--queue", "--name", "named", "-S", "imdb.source=auto", "download")
        archive = fork.folder / "data/imdb/aclImdb_v1.tar.gz"
        self.dvc("queue", "start", "--jobs", "2", IMDB_ARCHIVE=str(archive))
        self.queue_status = self.wait_for_queue()
        self.git_status = fork.git("status", "--short")

    def restore(self) -> None:
        """Return to the committed state."""
        self.fork.git("checkout", "-qf", "main")
        self.dvc("checkout")

    def wait_for_queue(self) -> str:
        """Return the status of the queue once no task waits or runs."""
        deadline = time.monotonic() + 600
        while True:
            status = self.fork.command("dvc", "queue", "status")
            # The command can fail on a file that a worker has just removed; then ask again.
            if status.returncode == 0 and not re.search("Queued|Running", status.stdout):
                return status.stdout
            assert time.monotonic() < deadline, status.stdout + status.stderr
            time.sleep(1)

    def experiments(self) -> dict[str, dict[str, Any]]:
        """Return the parameters and metrics of every experiment by name."""
        rows = json.loads(self.dvc("exp", "show", "--json"))
        baseline = next(row for row in rows if row["name"] == "main")
        return {exp["name"]: exp["revs"][0]["data"] for exp in baseline["experiments"]}

    def with_hidden_size(self, hidden_size: int) -> str:
        """Return the name of the experiment with this `mlp.hidden_size`."""
        return next(name for name, data in self.experiments().items()
                    if value(data, "params", PARAMS, *HIDDEN_SIZE) == hidden_size)  # fmt: skip

    def diff(self, kind: str, *args: str) -> dict[str, Any]:
        """Return what `dvc KIND diff` prints as JSON."""
        return json.loads(self.dvc(kind, "diff", "--json", *args))


@pytest.fixture(scope="module")
def project(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(clone.fork(tmp_path_factory.mktemp("experiments") / "project"))


def value(data: dict[str, Any], kind: str, file: str, *keys: str) -> Any:
    """Return one parameter or metric of an experiment."""
    result = data[kind][file]["data"]
    for key in keys:
        result = result[key]
    return result


def loss(data: dict[str, Any]) -> float:
    return value(data, "metrics", "metrics/mlp_numpy.json", "numpy", "loss")


def test_the_queue_runs_a_grid_and_leaves_the_work_tree_alone(project: Project) -> None:
    assert project.queue_status.count("Success") == 3, project.queue_status
    assert project.git_status == ""
    experiments = project.experiments()
    hidden_sizes = [value(data, "params", PARAMS, *HIDDEN_SIZE) for data in experiments.values()]
    assert sorted(hidden_sizes) == [4, 8, 16, 16]
    assert len({loss(data) for data in experiments.values()}) == 3


def test_a_worker_reads_the_archive_that_the_variable_names(project: Project) -> None:
    named = project.experiments()["named"]
    assert value(named, "params", PARAMS, "imdb", "source") == "auto"
    assert value(named, "metrics", "metrics/imdb_data.json", "data") == STANFORD


def test_the_table_of_experiments_fits_120_columns(project: Project) -> None:
    command = next(line for line in README.splitlines() if line.strip().startswith("dvc exp show"))
    assert command.strip() in GUIDE
    assert command.strip().removeprefix("dvc ") in (ROOT / "Makefile").read_text("utf-8")
    table = project.dvc(*shlex.split(command)[1:])
    assert max(map(len, table.splitlines())) <= 120
    header = next(line for line in table.splitlines() if "Experiment" in line).split()
    assert {"numpy.acc", "mlp.hidden_size", "imdb.lstm.epochs", "imdb.source"} <= {*header}
    for name in project.experiments():
        assert f"[{name}]" in table


def test_experiments_are_compared(project: Project) -> None:
    revisions = ["short", project.with_hidden_size(4)]
    expected = {"old": 16, "new": 4, "diff": -12}
    params = project.diff("params", *revisions)[PARAMS]
    assert params["mlp.hidden_size"] == expected
    assert "imdb.lstm.epochs" in params
    assert "numpy.loss" in project.diff("metrics", *revisions)["metrics/mlp_numpy.json"]
    assert project.diff("exp", *revisions)["params"][PARAMS]["mlp.hidden_size"] == expected
    plot = "NumPy network, loss"
    plots = project.diff("plots", *revisions, "--targets", plot)
    points = plots["data"][plot][0]["content"]["data"]["values"]
    assert {point["rev"] for point in points} == set(revisions)


def test_an_experiment_is_applied_and_becomes_a_branch(project: Project) -> None:
    project.dvc("exp", "apply", "short")
    assert "epochs: 1" in project.fork.git("diff", "HEAD", "--", PARAMS)
    assert project.fork.stale() == {"neighbours", "imdb_figures"}  # these did not run
    project.restore()
    assert project.fork.stale() == set()
    project.dvc("exp", "branch", "short", "short-lstm")
    assert "epochs: 1" in project.fork.git("diff", "main", "short-lstm", "--", PARAMS)


def test_a_saved_run_has_the_results_of_the_same_experiment_in_the_queue(project: Project) -> None:
    """Two workers side by side give what one run in the work tree gives."""
    queued = project.with_hidden_size(4)
    project.fork.set({"mlp": {"hidden_size": 4}})
    project.dvc("repro", "mlp_numpy")
    project.dvc("exp", "save", "--name", "saved")
    project.restore()
    experiments = project.experiments()
    for kind in ("metrics", "outs"):
        saved, expected = experiments["saved"][kind], experiments[queued][kind]
        assert saved == expected


def test_an_experiment_runs_while_the_work_tree_is_edited(project: Project) -> None:
    (project.fork.folder / "README.md").write_text("unfinished\n", "utf-8")
    project.dvc("exp", "run", "--temp", "--name", "temp", "-S", "mlp.hidden_size=5", "mlp_numpy")
    assert project.fork.git("status", "--short") == " M README.md\n"
    temp = project.experiments()["temp"]
    assert value(temp, "params", PARAMS, *HIDDEN_SIZE) == 5
    project.restore()
