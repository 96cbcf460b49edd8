"""Read a table of texts, from a CSV, TSV, JSON Lines or Parquet file.

For the training, a table has the columns `text` and `label`, and optionally `split` and `group`.
Other columns are ignored, and so are blanks around the names and their case. For predictions, it
has a column of texts, and every column is kept.
"""

import csv
import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from stages.common.errors import UserError
from stages.common.progress import log
from stages.imdb.corpus.params import PARQUET_SUFFIXES
from stages.imdb.download.source import table_files

COLUMNS = ("text", "label", "split", "group")
CHUNK_ROWS = 10_000  # rows in memory at a time
MAX_FIELD_CHARS = 1 << 24  # of a value in a CSV file
LFS_POINTER = b"version https://git-lfs"
# In a valid CSV file, `\"` before anything else is not part of a quoted text.
ESCAPED_QUOTE = re.compile(r'\\"[^",;\t\r\n]')

Rows = tuple[list[str], Iterator[Sequence[Any]]]  # the columns, and their values in each row


def read_chunks(path: Path) -> Iterator[pd.DataFrame]:
    """Yield the columns of a table as strings; a missing value is "".

    Each chunk has at most CHUNK_ROWS rows; its index continues that of the chunk before.

    Raises:
        UserError: If the file cannot be read, or is not a table of texts.
    """
    with _readable(path):
        columns, rows = _open_table(path)
        start = 0
        while chunk := list(islice(rows, CHUNK_ROWS)):
            values = [[_to_str(value) for value in row] for row in chunk]
            for i, row in enumerate(values, start=start + 1):
                if "\0" in row[0]:
                    raise UserError(f"{path}: a NUL byte in row {i}; remove it")
            yield pd.DataFrame(values, range(start, start + len(values)), columns, dtype=str)
            start += len(values)


def read_table(path: Path, column: str) -> pd.DataFrame:
    """Read all columns of a table. The values of CSV and TSV files are strings.

    Args:
        path: Path of the table.
        column: The column of texts, by which the separator of a CSV file is found; see
            `find_column`.

    Raises:
        UserError: If the file cannot be read, or is not a table.
    """
    with _readable(path):
        if path.suffix.lower() in PARQUET_SUFFIXES:
            files = table_files(path)
            return pd.concat([_read_parquet(file, column) for file in files], ignore_index=True)
        _refuse_other_formats(path)
        if _has_suffix(path, ".jsonl"):
            return pd.DataFrame(list(_iter_jsonl(path)))
        names, rows = _open_csv(path, column)
        find_column(path, names, column)
        return pd.DataFrame(list(rows), columns=names, dtype=str)


def _read_parquet(path: Path, column: str) -> pd.DataFrame:
    find_column(path, pq.read_schema(path).names, column)  # pandas cannot read two
    table = pd.read_parquet(path)
    return table.reset_index() if any(table.index.names) else table  # a named index is a column


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Report the errors of an unreadable file as a UserError."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: not in UTF-8 (byte 0x{error.object[error.start]:02x}), but in another"
            " encoding, such as Windows-1252; save it as UTF-8, for example with"
            " iconv -f WINDOWS-1252 -t UTF-8"
        ) from None
    except UnicodeEncodeError:
        raise UserError(f"{path}: half a surrogate pair, such as \\ud83d; remove it") from None
    except (pa.ArrowException, gzip.BadGzipFile, EOFError, zlib.error) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: damaged, or not the format of its suffix ({reason})") from None


def _to_str(value: object) -> str:
    if value is None or value != value:  # NaN is not equal to itself
        return ""
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _open_table(path: Path) -> Rows:
    files = table_files(path)
    if path.suffix.lower() in PARQUET_SUFFIXES:
        return _open_parquet(files)
    _refuse_other_formats(path)
    if _has_suffix(path, ".jsonl"):
        return _open_jsonl(path)
    names, rows = _open_csv(path, "text", "label")
    positions = _find_columns(path, names)
    return [*positions], ([row[i] for i in positions.values()] for row in rows)


def _has_suffix(path: Path, suffix: str) -> bool:
    return path.name.lower().removesuffix(".gz").endswith(suffix)


def _refuse_other_formats(path: Path) -> None:
    with _open_binary(path) as file:
        head = file.read(1_000)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head[:2]:
        raise UserError(f"{path}: in UTF-16; save it as UTF-8")
    if head.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        raise UserError(f"{path}: compressed; unpack it, or end the name of a gzip file in .gz")
    _refuse_lfs_pointer(path, head)


def _open_binary(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb"))


def _open_text(path: Path) -> TextIOWrapper:
    return TextIOWrapper(_open_binary(path), encoding="utf-8-sig", newline="")


def _refuse_lfs_pointer(path: Path, head: bytes) -> None:
    if head.startswith(LFS_POINTER):
        raise UserError(f"{path}: a pointer of Git LFS, not the file itself; run git lfs pull")


def find_column(path: Path, names: Sequence[str], column: str) -> str:
    """Return which of the `names` of a table means `column`: blanks and case do not matter.

    Raises:
        UserError: If there is none, or more than one.
    """
    exact = [name for name in names if name == column]
    found = exact or [name for name in names if _clean([name]) == _clean([column])]
    if not found:
        listed = ", ".join(map(str, names)) or "none"
        raise UserError(f"{path}: no column {column!r}; its columns are {listed}; use --column")
    if len(found) > 1:
        raise UserError(f"{path}: more than one column {column!r}; rename all but one")
    return found[0]


def _find_columns(path: Path, names: Sequence[str]) -> dict[str, int]:
    """Return the position of each column of COLUMNS that the table has."""
    clean = _clean(names)
    for column in COLUMNS:
        if clean.count(column) > 1:
            raise UserError(f"{path}: more than one column {column!r}; rename all but one")
    for column in ("text", "label"):
        if column not in clean:
            found = ", ".join(name.strip() for name in names) or "none"
            raise UserError(f"{path}: no column {column!r}; its columns are {found}")
    return {column: clean.index(column) for column in COLUMNS if column in clean}


def _open_parquet(files: Sequence[Path]) -> Rows:
    """Open Parquet files as one table."""
    for file in files:
        with file.open("rb") as opened:
            _refuse_lfs_pointer(file, opened.read(len(LFS_POINTER)))
    columns = [*_find_columns(files[0], pq.read_schema(files[0]).names)]

    def rows() -> Iterator[Sequence[Any]]:
        for file in files:
            parquet = pq.ParquetFile(file)
            names = parquet.schema_arrow.names
            positions = _find_columns(file, names)
            if [*positions] != columns:
                raise UserError(f"{file}: other columns than in {files[0]}; use the same in both")
            selected = [names[i] for i in positions.values()]
            for batch in parquet.iter_batches(CHUNK_ROWS, columns=selected):
                yield from zip(*(batch.column(name).to_pylist() for name in selected), strict=True)

    return columns, rows()


def _open_jsonl(path: Path) -> Rows:
    """Open a file with one JSON object per line; a key that an object lacks is a missing value."""

    def objects() -> Iterator[dict[str, Any]]:
        for row in _iter_jsonl(path):
            yield {name.strip().lower(): value for name, value in row.items()}

    # An object may lack any key, so the columns are those of all objects together.
    names = dict.fromkeys(name for row in objects() for name in row)
    columns = [*_find_columns(path, [*names | {"label": None}])]
    return columns, ([row.get(column) for column in columns] for row in objects())


def _iter_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the object of each line that is not blank."""
    with _open_text(path) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UserError(f"{path}: line {number} is not JSON ({error})") from None
            if not isinstance(row, dict):
                raise UserError(f"{path}: line {number} is not a JSON object")
            yield row


def _open_csv(path: Path, text: str, label: str | None = None) -> Rows:
    """Open a file whose separator is the comma, semicolon or tab, as the header shows.

    Quotation marks inside a quoted text are doubled, or escaped by backslashes.

    Args:
        path: Path of the file.
        text: Name of the column of texts. If there is no such column, the first one is taken.
        label: Name of the column of labels, if there is one.

    Returns:
        All columns of the file.
    """
    csv.field_size_limit(MAX_FIELD_CHARS)
    with _open_text(path) as file:
        header, _ = _read_header(file)
        if header.lower().startswith("sep="):  # for Excel
            raise UserError(f"{path}: the first line, {header.strip()!r}, is no header; remove it")
        backslash = any('\\"' in line and ESCAPED_QUOTE.search(line) for line in file)
    separator = "\t" if _has_suffix(path, ".tsv") else ","
    names = _split_line(header, separator)
    wanted = _clean(name for name in (text, label) if name is not None)
    for other in ",;\t":
        if {*wanted} <= {*_clean(_split_line(header, other))}:
            separator, names = other, _split_line(header, other)
    found = _clean(names)
    positions = [found.index(name) if name in found else 0 for name in wanted]
    escape = "\\" if backslash else None
    return [name.strip() for name in names], _iter_csv(
        path, separator, escape, len(names), *positions
    )


def _read_header(file: TextIOWrapper) -> tuple[str, int]:
    """Return the first line that is not blank, and its number; "" if there is none."""
    for number, line in enumerate(file, start=1):
        if line.strip():
            return line, number
    return "", 0


def _clean(names: Iterable[str]) -> list[str]:
    return [name.strip().lower() for name in names]


def _split_line(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])


def _iter_csv(
    path: Path, separator: str, escape: str | None, width: int, text: int, label: int | None = None
) -> Iterator[list[str]]:
    """Yield the rows of a CSV file without the header.

    Args:
        path: Path of the file.
        separator: Character between two values.
        escape: Character that escapes a quotation mark. None: quotation marks are doubled.
        width: Number of values per row.
        text: Position of the text in a row.
        label: Position of the label in a row, if there is one.

    Raises:
        UserError: If a row has another number of values, or a quotation mark is wrong.
    """
    labels: set[str] = set()
    suspects: list[tuple[str, int, set[str]]] = []
    with _open_text(path) as file:
        reader = csv.reader(
            file, delimiter=separator, escapechar=escape, skipinitialspace=True, strict=True
        )
        _, before = _read_header(file)
        number, line = 1, before + 1  # of the next row, and where it starts
        try:
            for row in reader:
                where = f"row {number}, which starts in line {line}"
                line = before + reader.line_num + 1
                if not row:  # an empty line
                    continue
                if len(row) != width:
                    raise UserError(
                        f"{path}: {where}, has {len(row)} values, but the header has {width}; put"
                        f" texts that contain {separator!r} or line breaks in quotation marks"
                    )
                if label is not None:
                    labels.add(row[label].strip())
                lines = [x.split(separator) for x in row[text].splitlines()]
                # Whole rows, if they are rows.
                inner = lines[0 if text == 0 else 1 : None if text == width - 1 else -1]
                if inner and width > 1 and all(len(x) == width for x in inner):
                    found = {x[label].strip(' "') for x in inner} if label is not None else set()
                    suspects.append((where, len(inner), found))
                number += 1
                yield row
        except csv.Error as error:
            raise UserError(
                f"{path}: a quotation mark is wrong in row {number}, which starts in line {line}"
                f" ({error} in line {before + reader.line_num}); remove it, or put the text in"
                ' quotation marks and double each one inside it ("")'
            ) from None
    # Lines inside a text that look like rows were swallowed by a stray quotation mark. A single one
    # may be by chance, such as a line that ends in "4,5".
    for where, count, found in suspects:
        if found <= labels:
            message = (
                f"{path}: the text of {where}, contains {count} lines that look like rows; if they"
                " are, remove the quotation mark at its start"
            )
            if count > 1 and label is not None:
                raise UserError(message)
            log(message)
