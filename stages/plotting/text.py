"""Names and words of the user's data in figures: characters without a glyph, length, "$"."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from matplotlib import font_manager
from matplotlib import pyplot as plt

from stages.common.progress import log


@contextmanager
def literal_text() -> Iterator[None]:
    """Show "$" as it is: class names and words may contain it. For use as a decorator."""
    with plt.rc_context({"text.parse_math": False}):
        yield


def escape_math(text: str) -> str:
    """Return a text that figures with formulas show as it is, also if it contains "$"."""
    return text.replace("$", r"\$")


@cache
def _glyphs() -> frozenset[int]:
    font = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    return frozenset(font.get_charmap())


def has_glyphs(text: str) -> bool:
    """Return True if the font of the figures can show every character of a text."""
    return all(ord(c) in _glyphs() for c in text)


def replace_missing_glyphs(text: str) -> str:
    """Return a text with "?" in place of each character that the font cannot show."""
    return "".join(c if has_glyphs(c) else "?" for c in text)


def shorten(text: str, max_chars: int) -> str:
    """Return a text, or its beginning and "…" if it is longer than `max_chars`."""
    return text if len(text) <= max_chars else text[: max_chars - 1].rstrip() + "…"


def printable_classes(classes: Sequence[str]) -> list[str]:
    """Return the names of the classes; "class 3" for a name that the font cannot show."""
    names = [name if has_glyphs(name) else f"class {i}" for i, name in enumerate(classes)]
    for name, shown in zip(classes, names, strict=True):
        if name != shown:
            log(f"figures: the font cannot show the class name {name!r}: it is shown as {shown!r}")
    return names
