"""Measure the peak memory of each stage of the pipeline on its real data.

    python -m benchmarks.memory [--seconds 150]

Run it after `dvc repro`. Each stage of dvc.lock runs once more in a temporary copy of this folder.
A training reaches its peak early, when it has had some of its largest batches, so it may be stopped
after some time. Writes benchmarks/memory.md. See README.md for what is measured.
"""

import math
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

import yaml

from benchmarks import harness
from stages.common.errors import UserError, run_main
from stages.common.processes import cpu_count
from stages.common.progress import log

LIMIT_MIB = 2_048
NOT_COPIED = shutil.ignore_patterns(".git", ".dvc", ".venv", ".venvs", ".ablation", "__pycache__")


def main() -> None:
    parser = harness.make_parser("memory")
    parser.add_argument("--seconds", type=float, default=math.inf, help="maximum per stage")
    args = parser.parse_args()

    stages = yaml.safe_load((harness.ROOT / "dvc.lock").read_text("utf-8"))["stages"]
    rows: list[list[str]] = []
    above = []
    for name, stage in stages.items():
        command = [sys.executable, *shlex.split(stage["cmd"])[1:]]
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "copy"
            shutil.copytree(harness.ROOT, copy, symlinks=True, ignore=NOT_COPIED)
            try:
                stats = harness.run_monitored(command, copy, args.seconds)
            except harness.UnavailableError as error:
                raise UserError(f"stage {name} failed ({error}); run dvc repro") from None
        mib = stats.memory / 2**20
        note = f" (stopped after {args.seconds:.0f} s)" if stats.timed_out else ""
        rows.append([f"{name}{note}", f"{mib:,.0f} MiB"])
        log(": ".join(rows[-1]))
        if mib > LIMIT_MIB:
            above.append(name)
    summary = (
        "Peak memory of each stage, all of its processes together, on the data of the committed"
        f" results. {cpu_count()} processors; that many seeds are trained in parallel."
    )
    lines = harness.markdown_table(["stage", "peak"], rows)
    lines += [f"Above {LIMIT_MIB:,} MiB: {', '.join(above) or 'none'}.", ""]
    harness.write_report(args.out, "Peak memory of the stages", summary, lines)


if __name__ == "__main__":
    run_main(main)
