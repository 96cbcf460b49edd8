"""Measure the time and memory of the data stages for 1, 3 and 10 times as many reviews.

    python -m benchmarks.scaling

The reviews are repeated, so the text grows and the number of distinct words does not. Writes
benchmarks/scaling.md and benchmarks/scaling.png. See README.md for what is measured.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from pyarrow import csv

from benchmarks import harness
from benchmarks.harness import ProcessStats
from stages.common.errors import run_main
from stages.common.progress import log
from stages.plotting import style

SCALES = (1, 3, 10)
ROW_GROUP_SIZE = 5_000  # as the stage `download` writes
MIB = 2**20

Measurements = dict[str, dict[int, ProcessStats]]  # by stage and number of reviews


def write_custom_csv(reviews: pa.Table, times: int, path: Path) -> None:
    """Write reviews `times` times as a custom dataset: a CSV file with text, label and split."""
    labels = [None if label == -1 else str(label) for label in reviews["label"].to_pylist()]
    columns = {"text": reviews["text"], "label": labels, "split": reviews["split"]}
    table = pa.table(columns, schema=pa.schema([(name, pa.string()) for name in columns]))
    with csv.CSVWriter(path, table.schema) as writer:
        for _ in range(times):
            writer.write_table(table, ROW_GROUP_SIZE)


def write_params(source: Path, path: Path) -> None:
    """Write the parameters with `custom.csv`, next to them, as the dataset."""
    content = yaml.safe_load(source.read_text("utf-8"))
    content["imdb"]["source"] = str(path.with_name("custom.csv"))
    path.write_text(yaml.safe_dump(content), "utf-8")


def measure(folder: Path) -> dict[str, ProcessStats]:
    """Run each stage on a folder with `params.yaml` and `custom.csv`, and write its files there."""
    params, reviews, tokens, metrics = (
        folder / name for name in ("params.yaml", "reviews.parquet", "tokens", "metrics.json")
    )
    return {
        "download": harness.run_stage(
            "download.main",
            params=params,
            archive=folder / "none",
            reviews=reviews,
            metrics=metrics,
        ),
        "tokenize": harness.run_stage("preprocess.tokenize", reviews=reviews, tokens=tokens),
        "vocabulary": harness.run_stage(
            "preprocess.vocabulary",
            params=params,
            tokens=tokens,
            corpus=folder / "corpus",
            metrics=metrics,
        ),
    }


def per_review(values: dict[int, float]) -> float:
    """Return the increase per review between the two largest numbers of reviews."""
    (n1, value1), (n2, value2) = sorted(values.items())[-2:]
    return (value2 - value1) / (n2 - n1)


def table_rows(measurements: Measurements) -> list[list[str]]:
    """Return two rows per stage: its time and its peak memory."""
    rows = []
    for stage, stats in measurements.items():
        seconds = {n: run.seconds for n, run in stats.items()}
        memory = {n: float(run.memory) for n, run in stats.items()}
        cells = [f"{value:,.1f} s" for value in seconds.values()]
        rows.append([f"{stage}: time", *cells, f"{1e6 * per_review(seconds):,.0f} µs"])
        cells = [f"{value / MIB:,.0f} MiB" for value in memory.values()]
        rows.append([f"{stage}: peak memory", *cells, f"{per_review(memory):,.0f} bytes"])
    return rows


def plot(measurements: Measurements, path: Path) -> None:
    """Plot time and memory against the number of reviews."""
    figure, (left, right) = plt.subplots(1, 2)
    for stage, stats in measurements.items():
        left.loglog(list(stats), [run.seconds for run in stats.values()], "o-", label=stage)
        right.semilogx(list(stats), [run.memory / MIB for run in stats.values()], "o-")
    left.set(xlabel="reviews", title="time (s)")
    right.set(xlabel="reviews", title="peak memory (MiB)", ylim=(0, None))
    for axes in (left, right):
        axes.minorticks_off()
    figure.legend(loc="outside lower center", ncols=3)
    style.save_png(figure, path)


def main() -> None:
    args = harness.make_parser("scaling").parse_args()
    num_processors = harness.limit_processors()
    reviews = pq.read_table(harness.REVIEWS, columns=["text", "label", "split"])
    measurements: Measurements = {}
    for times in SCALES:
        count = times * len(reviews)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_params(harness.PARAMS, folder / "params.yaml")
            write_custom_csv(reviews, times, folder / "custom.csv")
            for stage, stats in measure(folder).items():
                measurements.setdefault(stage, {})[count] = stats
                log(f"{count:,} reviews, {stage}: {stats.seconds:.1f} s")
    plot(measurements, args.out.with_suffix(".png"))
    counts = [times * len(reviews) for times in SCALES]
    summary = (
        f"{counts[0]:,} reviews, and the same reviews repeated; {num_processors} processors; each"
        " stage runs once. The last column is the increase per review between the two largest"
        " sizes."
    )
    header = ["", *(f"{count:,} reviews" for count in counts), "per further review"]
    lines = harness.markdown_table(header, table_rows(measurements))
    lines += [f"![Time and peak memory against the number of reviews]({args.out.stem}.png)", ""]
    harness.write_report(args.out, "Time and memory against the number of reviews", summary, lines)


if __name__ == "__main__":
    run_main(main)
