"""Schema of the `imdb` section of `params.yaml`; the comments there explain each parameter."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, StringConstraints

from stages.common.params import ParamsSection
from stages.imdb.corpus.corpus import MAX_CLASSES

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
# HTTPS only, except for a server on this machine.
Url = Annotated[
    str, StringConstraints(pattern=r"^(https://|http://(localhost|127\.0\.0\.1)(:[0-9]+)?/)")
]
Fraction = Annotated[float, Field(ge=0, lt=1)]
LearningRate = Annotated[float, Field(gt=0, le=1)]
Seed = Annotated[int, Field(ge=0, le=2**31)]
Word = Annotated[str, StringConstraints(pattern=r"^\S+$")]
ClassName = Annotated[str, StringConstraints(pattern=r"^\P{C}+$")]  # no terminal control characters
ClassNames = Annotated[list[ClassName], Field(min_length=2, max_length=MAX_CLASSES)]

NAMED_SOURCES = ("auto", "stanford", "pypi")
PARQUET_SUFFIXES = (".parquet", ".pq")
TEXT_TABLES = (".csv", ".tsv", ".jsonl")
TABLE_SUFFIXES = (*TEXT_TABLES, *(f"{suffix}.gz" for suffix in TEXT_TABLES), *PARQUET_SUFFIXES)


def known_source(source: str) -> str:
    """Refuse a source that is neither a name nor the path of a table of texts."""
    if "://" in source:
        raise ValueError("a URL is not downloaded; download the file and give its path")
    if source not in NAMED_SOURCES and not source.rstrip("/").lower().endswith(TABLE_SUFFIXES):
        raise ValueError(
            "expected auto, stanford, pypi, or the path of a table of texts that ends in .csv,"
            " .tsv, .jsonl (each may be followed by .gz), .parquet or .pq"
        )
    return source


Source = Annotated[str, AfterValidator(known_source)]


def unique(seeds: list[int]) -> list[int]:
    """Refuse duplicate seeds: their trainings would be identical and write the same files."""
    if len({*seeds}) < len(seeds):
        raise ValueError("seeds must be unique")
    return seeds


class Archive(ParamsSection):
    """Where the official archive is, and how to recognise it."""

    url: Url
    sha256: Sha256
    reviews_sha256: Sha256
    reviews_per_class: Annotated[int, Field(ge=1, le=10_000_000)]


class Vocabulary(ParamsSection):
    """Which words the networks know."""

    size: Annotated[int, Field(ge=3, le=1_000_000)]
    min_count: Annotated[int, Field(ge=1, le=1_000_000)]


class Linear(ParamsSection):
    """The linear baseline."""

    RENAMED: ClassVar = {"min_reviews": "min_df"}

    ngrams: Annotated[int, Field(ge=1, le=3)]
    min_df: Annotated[int, Field(ge=1, le=1_000_000)]
    C: Annotated[float, Field(gt=0, le=1e6)]


class Compute(ParamsSection):
    """Where the networks are trained."""

    RENAMED: ClassVar = {"processes": "num_processes"}

    device: Literal["auto", "cpu", "cuda", "mps"]
    precision: Literal["auto", "float32", "bfloat16"]
    num_processes: Annotated[int, Field(ge=1, le=1_024)]


class TrainingParams(ParamsSection):
    """What the trainings of all networks have in common."""

    RENAMED: ClassVar = {
        "batch": "batch_size",
        "window": "max_length",
        "unlabelled": "unlabelled_fraction",
        "buckets": "num_buckets",
    }

    epochs: Annotated[int, Field(ge=1, le=1_000)]
    batch_size: Annotated[int, Field(ge=1, le=4_096)]
    learning_rate: LearningRate
    max_length: Annotated[int, Field(ge=8, le=100_000)]
    word_dropout: Fraction
    unlabelled_fraction: Annotated[float, Field(ge=0, le=1)]
    ngrams: Annotated[int, Field(ge=1, le=2)]
    num_buckets: Annotated[int, Field(ge=1_000, le=10_000_000)]

    @property
    def bigram_buckets(self) -> int:
        """Number of hash buckets for bigram embeddings; 0 if `ngrams` is 1."""
        return self.num_buckets if self.ngrams == 2 else 0


class Finetune(ParamsSection):
    """The last phase of the LSTM's training, on the labelled reviews only."""

    RENAMED: ClassVar = {"perturbation": "adv_epsilon"}

    epochs: Annotated[int, Field(ge=0, le=1_000)]
    learning_rate: LearningRate
    adv_epsilon: Fraction


class SequenceParams(TrainingParams):
    """A network that reads the words in order: its size and its training."""

    RENAMED: ClassVar = {**TrainingParams.RENAMED, "hidden": "hidden_size"}

    hidden_size: Annotated[int, Field(ge=1, le=4_096)]
    dropout: Fraction


class LSTMParams(SequenceParams):
    """The LSTM: its size, its training and its fine-tuning."""

    RENAMED: ClassVar = {**SequenceParams.RENAMED, "refine": "finetune"}

    bidirectional: bool
    finetune: Finetune


class Pretrain(ParamsSection):
    """The training of the LSTM as a language model."""

    RENAMED: ClassVar = {"batch": "batch_size", "steps": "bptt", "sample": "num_sampled"}

    epochs: Annotated[int, Field(ge=1, le=100)]
    batch_size: Annotated[int, Field(ge=1, le=4_096)]
    bptt: Annotated[int, Field(ge=1, le=1_000)]
    num_sampled: Annotated[int, Field(ge=1, le=100_000)]
    dropout: Fraction
    learning_rate: LearningRate
    threads: Annotated[int, Field(ge=1, le=256)]
    seed: Seed


class Imdb(ParamsSection):
    """All of project 3."""

    RENAMED: ClassVar = {"words": "neighbour_words"}

    source: Source
    archive: Archive
    vocabulary: Vocabulary
    linear: Linear
    embedding_dim: Annotated[int, Field(ge=2, le=4_096)]  # the map of words has two dimensions
    validation: Annotated[float, Field(ge=0, le=0.5)]
    seeds: Annotated[list[Seed], Field(min_length=1, max_length=100), AfterValidator(unique)]
    train: Compute
    mean: TrainingParams
    pretrain: Pretrain
    lstm: LSTMParams
    neighbour_words: Annotated[list[Word], Field(min_length=1, max_length=12)]
