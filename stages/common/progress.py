"""Progress of long work: a bar on a terminal, plain lines in a log."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

ItemT = TypeVar("ItemT")
LOG_INTERVAL = 10.0  # seconds between two lines, if stderr is not a terminal


def progress(
    items: Iterable[ItemT],
    total: int,
    desc: str,
    unit: str = "batches",
    initial: int = 0,
    size: Callable[[ItemT], int] = lambda item: 1,
    position: int | None = None,
) -> Iterator[ItemT]:
    """Yield `items` and report progress on stderr.

    Args:
        items: What to iterate over.
        total: Total number of units.
        desc: Name of the work.
        unit: Name of a unit, in the plural.
        initial: Number of units done before.
        size: Number of units of an item.
        position: Line of the bar on the terminal, for several bars at a time.
    """
    if sys.stderr.isatty():
        with tqdm(
            total=total, initial=initial, desc=desc, unit=unit, unit_scale=unit == "B",
            leave=False, position=position,
        ) as bar:  # fmt: skip
            for item in items:
                yield item
                bar.update(size(item))
        return
    last, before, done = time.monotonic(), initial, initial
    for item in items:
        yield item
        done += size(item)
        now = time.monotonic()
        if now - last >= LOG_INTERVAL:
            rate = (done - before) / (now - last)
            last, before = now, done
            log(
                f"{desc}: {done:,} of {total:,} {unit}, {rate:,.0f} {unit}/s,"
                f" {max(total - done, 0) / rate:,.0f} s left"
            )


def log(message: str) -> None:
    """Print a line on stderr at once, without breaking a progress bar."""
    tqdm.write(message, file=sys.stderr)
    sys.stderr.flush()
