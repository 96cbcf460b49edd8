"""Time the cutting of reviews into words and numbers beside Hugging Face's `tokenizers`.

    python -m benchmarks.tokens
    python -m benchmarks.tokens --quick    a look whether all runs, on a twentieth of the reviews

Both read the same Parquet file, choose the most frequent words of the training and unlabelled
reviews, and write the ids of all reviews: ours by the pipeline's two commands, `tokenize` and
`vocabulary`, the other by one program in an environment of its own that has a WordLevel model with
the same rules (lower case, HTML's line breaks a space, the same regular expression of a word), on
the same processors. Time and memory are of everything, from the start of the processes to the last
byte written; memory is that of all processes together. Contenders take turns, several rounds; what
is told are medians.

Ours also writes the tokens before a vocabulary is chosen, and a table of the reviews, which the
other does not: that is to our disadvantage. To the other's: it goes through the texts twice, once
to count words and once to number them, which is how it is made, and hands its ids to NumPy through
Python. The ids are compared, review by review. Writes benchmarks/tokens.md.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.common import (
    REVIEWS,
    WITHIN,
    MissingError,
    Run,
    machine,
    pinned,
    ratio,
    run_stage,
    table,
    take_turns,
    use_processors,
    venv,
    watched,
    write,
)
from stages.common import params
from stages.common.errors import run
from stages.imdb.params import Imdb, Vocabulary
from stages.imdb.reviews import Ids, Indices, read_words
from stages.imdb.tokenizer import BREAK, TOKEN
from stages.imdb.vocabulary import SPECIAL

OURS = "ours: tokenize, vocabulary"


def ours(reviews: Path, folder: Path, parameters: Path) -> Run:
    """The pipeline's two stages, one after the other."""
    tokens, chosen = folder / "tokens", {"params": parameters, "vocabulary": folder / "ours"}
    first = run_stage("tokenize", reviews=reviews, tokens=tokens)
    second = run_stage("vocabulary", tokens=tokens, metrics=folder / "metrics.json", **chosen)
    return Run(first.seconds + second.seconds, max(first.memory, second.memory), "")


def hugging_face(reviews: Path, folder: Path, settings: Vocabulary) -> Run:
    """The other, in a folder of its own each time."""
    script = Path(__file__).with_name("tokens_hf.py")
    out = Path(tempfile.mkdtemp(dir=folder)) / "theirs"
    sizes = ["--size", str(settings.size), "--min-count", str(settings.min_count)]
    rules = ["--token", TOKEN.pattern, "--break", BREAK, "--special", *SPECIAL]
    done = watched([venv("tokenizers"), script, reviews, out, *sizes, *rules])
    (folder / "theirs").unlink(missing_ok=True)
    (folder / "theirs").symlink_to(out)
    return done


def differing(
    ids: tuple[Ids, Ids], offsets: tuple[Indices, Indices], words: tuple[list[str], list[str]]
) -> int:
    """In how many reviews two encodings do not hold the same words; the numbers may differ."""
    numbers = {word: number for number, word in enumerate(words[0])}
    renumber = np.array([numbers.get(word, -1) for word in words[1]])
    theirs = renumber[ids[1]]
    first, second = offsets
    return sum(
        not np.array_equal(ids[0][first[i] : first[i + 1]], theirs[second[i] : second[i + 1]])
        for i in range(len(first) - 1)
    )


def comparison(folder: Path) -> str:
    """What the two contenders wrote, beside each other."""
    ids, offsets = (
        tuple(np.load(folder / who / f"{what}.npy", allow_pickle=False) for who in WHO)
        for what in ("ids", "offsets")
    )
    ours, theirs = (read_words(folder / who / "words.txt") for who in WHO)
    count = differing((ids[0], ids[1]), (offsets[0], offsets[1]), (ours, theirs))
    numbers = "the same" if ours == theirs else "not all the same"
    return (
        f"The two encodings differ in {count:,} of {len(offsets[0]) - 1:,} reviews;"
        f" {len(set(ours) & set(theirs)):,} of {len(ours):,} words are in both vocabularies,"
        f" their numbers {numbers}."
    )


WHO = ("ours", "theirs")


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="only see whether all runs")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--reviews", type=Path, default=REVIEWS)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/tokens.md"))
    args = parser.parse_args()

    threads = use_processors()
    settings = params.load(args.params, "imdb", Imdb).vocabulary
    with tempfile.TemporaryDirectory() as name:
        folder, reviews = Path(name), args.reviews.absolute()
        if args.quick:
            args.rounds = 1
            whole = pq.read_table(reviews)
            reviews = folder / "few.parquet"
            pq.write_table(whole.take(np.arange(0, len(whole), 20)), reviews, row_group_size=1_000)
        count = pq.ParquetFile(reviews).metadata.num_rows
        contenders: dict[str, Callable[[], Run]] = {
            OURS: partial(ours, reviews, folder, args.params.absolute())
        }
        missing = []
        rival = pinned("tokenizers", "tokenizers")
        theirs = partial(hugging_face, reviews, folder, settings)
        try:
            theirs()  # to see whether it can; and the file is in memory for all
            contenders[rival] = theirs
        except MissingError as error:
            missing.append([f"{rival}: left out, {error}"])
        turns = take_turns(contenders, args.rounds)
        agreement = comparison(folder) if rival in turns else ""
    mine = [done.seconds for done in turns[OURS]]
    rows = []
    for name, runs in turns.items():
        seconds = [done.seconds for done in runs]
        memory = statistics.median(done.memory for done in runs)
        rows.append(
            [
                name,
                f"{statistics.median(seconds):.1f} s",
                f"{ratio(seconds, mine):.2f} ×",
                f"{count / statistics.median(seconds):,.0f}",
                f"{memory / 2**20:,.0f} MiB",
            ]
        )
    lines = [
        "# Cutting reviews into words, timed",
        "",
        f"{count:,} reviews, from the Parquet file to ids over {settings.size:,} words, {threads}"
        f" processors; medians of {args.rounds} rounds; {WITHIN}. What is fair and what is not"
        " stands at the head of [tokens.py](tokens.py). Made by `python -m benchmarks.tokens`.",
        machine("pyarrow"),
        "",
        *table(
            ["contender", "time", "against ours", "reviews a second", "peak memory"],
            [*rows, *missing],
        ),
        agreement,
        "",
    ]
    write(args.out, lines)


if __name__ == "__main__":
    run(main)
