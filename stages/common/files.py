"""Write files atomically, under a temporary name first; and the checksum of a file."""

import glob
import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd  # slow to import, and not every stage needs it


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; on success, rename it to `path`.

    The body writes a file or makes a folder there. If the body fails, its output is removed and
    `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    # Remove what a killed process left behind.
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        _remove(leftover)
    try:
        yield temporary
        if path.is_dir():
            shutil.rmtree(path)
        temporary.replace(path)
    finally:
        _remove(temporary)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, content: Any) -> None:
    """Write JSON with sorted keys and floats rounded to six significant digits.

    Raises:
        ValueError: If a float is not finite.
    """
    text = json.dumps(_round_floats(content), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv(path: Path, table: "pd.DataFrame") -> None:
    """Write a table as CSV, floats with six significant digits."""
    with atomic_write(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


def _round_floats(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _round_floats(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_round_floats(value) for value in content]
    if isinstance(content, float):
        if not math.isfinite(content):
            raise ValueError(f"the value {content} is not finite")
        return float(f"{content:.6g}")
    return content
