"""Live curves of a training."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dvclive import Live

from stages.imdb.engine import distributed

Point = dict[str, float]  # "step" and the value of each curve by its name


@contextmanager
def live_curves(folder: Path, history: list[Point]) -> Iterator[Callable[[Point], None]]:
    """Open the curves of a training, with the points of an earlier part of it; on rank 0 only.

    Args:
        folder: Folder for DVCLive.
        history: The points so far.

    Yields:
        A function that adds a point.
    """
    if not distributed.is_main_process():
        yield lambda point: None
        return
    with Live(str(folder), save_dvc_exp=False, dvcyaml=None) as live:

        def add(point: Point) -> None:
            live.step = int(point["step"])
            for name, value in point.items():
                if name != "step":
                    live.log_metric(name, value)

        for point in history:
            add(point)
        yield add
