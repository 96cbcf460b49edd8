"""Time the tokenization of all reviews next to Hugging Face's `tokenizers`.

    python -m benchmarks.tokens

Writes benchmarks/tokens.md. See README.md for what is measured.
"""

import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks import harness
from benchmarks.harness import ProcessStats
from stages.common.errors import run_main
from stages.common.params import load_params
from stages.imdb.corpus.corpus import SPECIAL_TOKENS, Ids, Indices, read_vocab
from stages.imdb.corpus.params import Imdb, Vocabulary
from stages.imdb.corpus.tokenizer import TOKEN_PATTERN

LINE_BREAK = "<br />"  # the only HTML tag in the reviews
CONTENDERS = ("ours", "theirs")  # the folders that they write


def tokenize_ours(reviews: Path, folder: Path) -> ProcessStats:
    """Run the stages `tokenize` and `vocabulary`."""
    tokens, corpus, metrics = (folder / name for name in ("tokens", "ours", "metrics.json"))
    first = harness.run_stage("preprocess.tokenize", reviews=reviews, tokens=tokens)
    second = harness.run_stage(
        "preprocess.vocabulary", tokens=tokens, corpus=corpus, metrics=metrics
    )
    return ProcessStats(first.seconds + second.seconds, max(first.memory, second.memory))


def tokenize_hf(reviews: Path, folder: Path, vocabulary: Vocabulary) -> ProcessStats:
    """Run the contender in its own environment."""
    options = {
        "--size": vocabulary.size,
        "--min-count": vocabulary.min_count,
        "--token-pattern": TOKEN_PATTERN.pattern,
        "--line-break": LINE_BREAK,
    }
    script, out = harness.BENCHMARKS / "tokens_hf.py", folder / "theirs"
    return harness.run_monitored(
        [harness.venv("tokenizers"), script, reviews, out]
        + [part for option in options.items() for part in option]
        + ["--special-tokens", *SPECIAL_TOKENS]
    )


def count_differences(
    ids: tuple[Ids, Ids], offsets: tuple[Indices, Indices], vocabs: tuple[list[str], list[str]]
) -> int:
    """Return the number of reviews whose words differ in two encodings; their ids may differ."""
    word_to_id = {word: i for i, word in enumerate(vocabs[0])}
    translate = np.array([word_to_id.get(word, -1) for word in vocabs[1]])
    first_ids, second_ids = ids[0], translate[ids[1]]
    first, second = offsets
    return sum(
        not np.array_equal(
            first_ids[first[i] : first[i + 1]], second_ids[second[i] : second[i + 1]]
        )
        for i in range(len(first) - 1)
    )


def compare_encodings(folder: Path) -> str:
    """Return a sentence on how the results of the two contenders differ."""
    ids, offsets = (
        tuple(np.load(folder / name / f"{array}.npy", allow_pickle=False) for name in CONTENDERS)
        for array in ("ids", "offsets")
    )
    ours, theirs = (read_vocab(folder / name / "vocab.txt") for name in CONTENDERS)
    count = count_differences((ids[0], ids[1]), (offsets[0], offsets[1]), (ours, theirs))
    order = "the same" if ours == theirs else "not all the same"
    return (
        f"The two encodings differ in {count:,} of {len(offsets[0]) - 1:,} reviews;"
        f" {len(set(ours) & set(theirs)):,} of {len(ours):,} words are in both vocabularies,"
        f" their ids {order}."
    )


def main() -> None:
    args = harness.make_parser("tokens", rounds=5).parse_args()
    num_processors = harness.limit_processors()
    vocabulary = load_params(harness.PARAMS, "imdb", Imdb).vocabulary
    with tempfile.TemporaryDirectory() as name:
        folder, reviews = Path(name), harness.REVIEWS
        ours = "ours: tokenize, vocabulary"
        theirs = harness.pinned_version("tokenizers", "tokenizers")
        contenders: dict[str, Callable[[], ProcessStats]] = {
            ours: partial(tokenize_ours, reviews, folder),
            theirs: partial(tokenize_hf, reviews, folder, vocabulary),
        }
        missing = harness.drop_unavailable(contenders)
        turns = harness.run_interleaved(contenders, args.rounds)
        comparison = compare_encodings(folder) if theirs in turns else ""
    count, rows = pq.ParquetFile(reviews).metadata.num_rows, []
    for name, runs in turns.items():
        seconds = [run.seconds for run in runs]
        rows.append(
            [
                name,
                f"{statistics.median(seconds):.1f} s",
                f"{harness.median_ratio(seconds, [run.seconds for run in turns[ours]]):.2f} ×",
                f"{count / statistics.median(seconds):,.0f}",
                f"{statistics.median(run.memory for run in runs) / 2**20:,.0f} MiB",
            ]
        )
    header = ["contender", "time", "relative to ours", "reviews per second", "peak memory"]
    summary = (
        f"{count:,} reviews, from the Parquet file to ids over {vocabulary.size:,} words,"
        f" {num_processors} processors; medians of {args.rounds} rounds in which the contenders"
        f" take turns; {harness.RATIO_NOTE}. {harness.FAIRNESS_NOTE}"
    )
    lines = [*harness.markdown_table(header, [*rows, *missing]), comparison, ""]
    harness.write_report(args.out, "Tokenization, timed", summary, lines, "pyarrow")


if __name__ == "__main__":
    run_main(main)
