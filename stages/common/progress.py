"""Progress of long work: a bar with rate and time left on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

ItemT = TypeVar("ItemT")
QUIET_SECONDS = 10.0  # between two lines, where there is no terminal


def progress(
    items: Iterable[ItemT], total: int, label: str, unit: str = "batch", step: int = 1
) -> Iterator[ItemT]:
    """Yield `items` and report on stderr; each item counts for `step` of `total` units."""
    if sys.stderr.isatty():
        with tqdm(total=total, desc=label, unit=unit, leave=False) as bar:
            for item in items:
                yield item
                bar.update(step)
        return
    start = last = time.monotonic()
    done = 0
    for item in items:
        yield item
        done += step
        now = time.monotonic()
        if now - last >= QUIET_SECONDS:
            last = now
            rate = done / (now - start)
            left = (total - done) / rate
            print(
                f"{label}: {done:,}/{total:,} {unit}, {rate:,.0f}/s, {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )


def say(message: str) -> None:
    """Print a line of progress on stderr, at once."""
    tqdm.write(message, file=sys.stderr)
    sys.stderr.flush()
