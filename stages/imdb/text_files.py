"""Read texts to classify: the lines of a text file, or a column of a table."""

import codecs
from collections.abc import Iterator
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

from stages.common.errors import UserError
from stages.imdb.corpus.params import TABLE_SUFFIXES

if TYPE_CHECKING:
    import pandas as pd  # slow to import, and needed for tables only

BYTE_ORDER_MARKS = {  # UTF-32 first: its mark starts with that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def detect_encoding(start: bytes) -> str:
    """Return the encoding that the byte order mark names, or UTF-8 if there is none."""
    return next((BYTE_ORDER_MARKS[m] for m in BYTE_ORDER_MARKS if start.startswith(m)), "utf-8")


def iter_lines(file: BufferedReader, name: str) -> Iterator[str]:
    """Yield the lines of a file without their line ends.

    Args:
        file: The file, open at its start.
        name: Name of the file for error messages.

    Raises:
        UserError: If a line is not UTF-8, and no byte order mark names another encoding; or if it
            has a NUL byte, as in UTF-16 without a byte order mark.
    """
    encoding = detect_encoding(file.peek(4)[:4])
    errors = "surrogateescape" if encoding.startswith("utf-8") else "strict"
    number = 0
    try:
        for line in TextIOWrapper(file, encoding, errors):
            number += 1
            line.encode("utf-8")  # fails for a byte that was not UTF-8
            if "\0" in line:
                raise UserError(
                    f"{name}: line {number} has a NUL byte; the file may be in UTF-16: save it as"
                    " UTF-8, for example with iconv -f UTF-16LE -t UTF-8"
                )
            yield line.rstrip("\n")
    except UnicodeEncodeError:
        raise UserError(
            f"{name}: line {number} is not in UTF-8; save the file as UTF-8, for example with"
            " iconv -f WINDOWS-1252 -t UTF-8"
        ) from None
    except UnicodeDecodeError as error:
        raise UserError(
            f"{name}: damaged after line {number} ({error.reason} in {encoding}); save it as UTF-8"
        ) from None


def is_table(path: Path) -> bool:
    """Return True if the name of a file ends as that of a table does."""
    return path.name.lower().endswith(TABLE_SUFFIXES)


def read_table(path: Path, column: str) -> tuple["pd.DataFrame", str]:
    """Read a table of texts. The values of CSV and TSV files stay as they are, strings.

    Args:
        path: Path of the file. The separator of a .csv file may also be ";" or a tab.
        column: A column that the table must have. Blanks around its name and its case do not
            matter.

    Returns:
        The table, with "" for each missing text, and the name of the column in it.

    Raises:
        UserError: If the file cannot be read, or lacks the column, or it does not hold texts.
    """
    from stages.imdb.download import tables  # imports pandas and PyArrow

    if not is_table(path):
        raise UserError(f"{path}: expected a file that ends in {', '.join(TABLE_SUFFIXES)}")
    if not path.exists():
        raise UserError(f"{path}: no such file; correct the path")
    table = tables.read_table(path, column)
    name = tables.find_column(path, list(table), column)
    texts = table[name].astype(object)
    texts = texts.where(texts.notna(), "")
    if not texts.map(lambda text: isinstance(text, str)).all():
        raise UserError(f"{path}: the column {name!r} does not hold texts; use --column")
    return table.assign(**{name: texts}), name
