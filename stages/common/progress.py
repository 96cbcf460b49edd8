"""Progress of long work: a bar with rate and time left on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

ItemT = TypeVar("ItemT")
QUIET_SECONDS = 10.0  # between two lines, where there is no terminal


def progress(
    items: Iterable[ItemT],
    total: int,
    label: str,
    unit: str = "batches",
    start: int = 0,
    size: Callable[[ItemT], int] = lambda item: 1,
) -> Iterator[ItemT]:
    """Yield `items`, reporting on stderr how many of `total` units are done, `unit` in the plural.

    `start` units were done before; each item counts for `size(item)` units.
    """
    if sys.stderr.isatty():
        scale = unit == "B"
        with tqdm(
            total=total, initial=start, desc=label, unit=unit, unit_scale=scale, leave=False
        ) as bar:
            for item in items:
                yield item
                bar.update(size(item))
        return
    last, before, done = time.monotonic(), start, start
    for item in items:
        yield item
        done += size(item)
        now = time.monotonic()
        if now - last >= QUIET_SECONDS:
            rate = (done - before) / (now - last)
            last, before = now, done
            if not rate:
                continue  # the first item is still under way
            say(
                f"{label}: {done:,} of {total:,} {unit}, {rate:,.0f} {unit}/s,"
                f" {max(total - done, 0) / rate:,.0f} s left"
            )


def say(message: str) -> None:
    """Print a line of progress on stderr, at once; a bar on the terminal stays whole."""
    tqdm.write(message, file=sys.stderr)
    sys.stderr.flush()
