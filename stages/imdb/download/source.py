"""Stage `source`: record what `imdb.source` names, with a checksum of each file of a table.

DVC runs this stage every time, because it cannot know whether a table of texts has changed. The
stage `download` depends on the record, so it runs again only if the content has changed.
"""

import argparse
from pathlib import Path
from typing import Any

from stages.common.errors import UserError, run_main
from stages.common.files import file_sha256, write_json
from stages.common.params import load_params
from stages.imdb.corpus.params import NAMED_SOURCES, PARQUET_SUFFIXES, Imdb


def table_files(path: Path) -> list[Path]:
    """Return the files of a table: the file itself, or the Parquet files of a directory, sorted.

    Files and folders whose names start with "_" or "." are left out, as Spark does.

    Raises:
        UserError: If there is no such file.
    """
    if path.is_file():
        return [path]
    if not path.exists():
        hint = "correct the path"
        if not path.is_absolute():
            hint += "; an experiment with --queue or --temp runs in another folder and needs the"
            hint += " absolute path"
        raise UserError(f"imdb.source = {path}: no such file in {Path.cwd()}; {hint}")
    if path.suffix.lower() not in PARQUET_SUFFIXES:
        raise UserError(f"{path}: a directory; only Parquet files may be in a directory")
    files = sorted(
        file for file in path.rglob("*")
        if file.suffix.lower() in PARQUET_SUFFIXES and file.is_file()
        and not any(part.startswith(("_", ".")) for part in file.relative_to(path).parts)
    )  # fmt: skip
    if not files:
        raise UserError(f"{path}: a directory without Parquet files")
    return files


def describe_source(source: str, reviews_path: Path) -> dict[str, Any]:
    """Return a record of a source that changes if and only if its texts may have changed.

    Args:
        source: The parameter `imdb.source`.
        reviews_path: The output of the stage `download`, which cannot be a source.

    Returns:
        The name of the source and, for a table, the size and SHA-256 of each file.

    Raises:
        UserError: If the table is missing, or is `reviews_path`.
    """
    if source in NAMED_SOURCES:
        return {"source": source}
    path = Path(source)
    if path.resolve() == reviews_path.resolve():
        raise UserError(
            f"imdb.source = {source}: this is the output of the stage download itself, which"
            " replaces it; copy the file and name the copy"
        )
    files = {
        file.relative_to(path.parent).as_posix(): {
            "sha256": file_sha256(file),
            "size": file.stat().st_size,
        }
        for file in table_files(path)
    }
    return {"source": path.name, "files": files}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--reviews", type=Path, required=True, help="the output of `download`")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    params = load_params(args.params, "imdb", Imdb)
    write_json(args.out, describe_source(params.source, args.reviews))


if __name__ == "__main__":
    run_main(main)
