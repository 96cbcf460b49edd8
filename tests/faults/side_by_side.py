"""Run experiments in turn and at once: the results must be the same."""

from tests.clone import Clone
from tests.faults.site import log, start


def experiments(clone: Clone, wishes: dict[str, str], together: bool, *targets: str) -> list[str]:
    """Run an experiment a wish, beside the work tree.

    Args:
        clone: all of which is committed.
        wishes: name of the experiment to the parameter that it sets.
        together: or one after the other.
        targets: the stages that it is about, if not all.

    Returns:
        What dvc.lock came to be in each; and what was said instead, where one failed.
    """
    running = []
    for name, wish in wishes.items():
        # One looks to the work tree while the other does; without waiting, for three seconds only.
        dvc = ["dvc", "--wait-for-lock"]
        command = [*dvc, "exp", "run", "--temp", "--name", name, "-S", wish, *targets]
        running.append(start(clone, *command))
        if not together:
            running[-1].wait()
    codes = [process.wait() for process in running]
    if any(codes):
        return [log(clone).read_text("utf-8")]
    return [clone.git("show", f"{_reference(clone, name)}:dvc.lock") for name in wishes]


def _reference(clone: Clone, name: str) -> str:
    """Where DVC keeps an experiment; Git does not know its short name."""
    return clone.git("for-each-ref", "--format=%(refname)", f"refs/exps/*/*/{name}").strip()
