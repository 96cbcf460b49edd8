"""The parameters of project 3, as `params.yaml` explains them."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from stages.common.params import Section

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
# HTTPS only, but for a server on this very machine.
Url = Annotated[
    str, StringConstraints(pattern=r"^(https://|http://(localhost|127\.0\.0\.1)(:[0-9]+)?/)")
]
Source = Annotated[
    str, StringConstraints(pattern=r"^(auto|stanford|pypi|.+\.(csv|parquet))$")  # a file's path
]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Rate = Annotated[float, Field(gt=0, le=1)]
Seed = Annotated[int, Field(ge=0, le=2**31)]
Word = Annotated[str, StringConstraints(pattern=r"^\S+$")]


def different(seeds: list[int]) -> list[int]:
    """Refuse a seed that is there twice: its trainings would be the same, and share their files."""
    if len({*seeds}) < len(seeds):
        raise ValueError("every seed must be another")
    return seeds


class Archive(Section):
    url: Url
    sha256: Sha256
    reviews_sha256: Sha256
    reviews_per_class: Annotated[int, Field(ge=1, le=10_000_000)]


class Vocabulary(Section):
    size: Annotated[int, Field(ge=3, le=1_000_000)]
    min_count: Annotated[int, Field(ge=1, le=1_000_000)]


class Linear(Section):
    ngrams: Annotated[int, Field(ge=1, le=3)]
    min_reviews: Annotated[int, Field(ge=1, le=1_000_000)]
    C: Annotated[float, Field(gt=0, le=1e6)]


class Train(Section):
    """How all networks are trained, whatever they are."""

    device: Literal["auto", "cpu", "cuda", "mps"]
    processes: Annotated[int, Field(ge=1, le=1_024)]


class Training(Section):
    """What the training of both networks has."""

    epochs: Annotated[int, Field(ge=1, le=1_000)]
    batch: Annotated[int, Field(ge=1, le=4_096)]
    learning_rate: Rate
    window: Annotated[int, Field(ge=8, le=100_000)]
    word_dropout: Fraction
    unlabelled: Annotated[float, Field(ge=0, le=1)]
    ngrams: Annotated[int, Field(ge=1, le=2)]
    buckets: Annotated[int, Field(ge=1_000, le=10_000_000)]

    @property
    def pairs(self) -> int:
        """How many embeddings the pairs of words have; 0 where they have none."""
        return self.buckets if self.ngrams == 2 else 0


class Refine(Section):
    """A second training, on the labelled reviews alone, against perturbations."""

    epochs: Annotated[int, Field(ge=0, le=1_000)]
    learning_rate: Rate
    perturbation: Fraction


class LSTM(Training):
    hidden: Annotated[int, Field(ge=1, le=4_096)]
    dropout: Fraction
    refine: Refine


class Pretrain(Section):
    epochs: Annotated[int, Field(ge=1, le=100)]
    batch: Annotated[int, Field(ge=1, le=4_096)]
    steps: Annotated[int, Field(ge=1, le=1_000)]
    sample: Annotated[int, Field(ge=1, le=100_000)]
    learning_rate: Rate
    threads: Annotated[int, Field(ge=1, le=256)]
    seed: Seed


class Imdb(Section):
    source: Source
    archive: Archive
    vocabulary: Vocabulary
    linear: Linear
    embedding_dim: Annotated[int, Field(ge=2, le=4_096)]  # a map has two dimensions
    validation: Annotated[float, Field(ge=0, le=0.5)]
    seeds: Annotated[
        list[Seed],
        Field(min_length=1, max_length=100, json_schema_extra={"uniqueItems": True}),
        AfterValidator(different),
    ]
    train: Train
    mean: Training
    pretrain: Pretrain
    lstm: LSTM
    words: Annotated[list[Word], Field(min_length=1, max_length=12)]
