"""The parameters of project 3, as `params.yaml` explains them."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from stages.common.params import Section

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
# HTTPS only, but for a server on this very machine.
Url = Annotated[str, StringConstraints(pattern=r"^(https://|http://(localhost|127\.0\.0\.1)[:/])")]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Rate = Annotated[float, Field(gt=0, le=1)]
Word = Annotated[str, StringConstraints(pattern=r"^\S+$")]


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
    min_reviews: Annotated[int, Field(ge=1)]
    C: Annotated[float, Field(gt=0, le=1e6)]


class Imdb(Section):
    source: Literal["auto", "stanford", "pypi"]
    archive: Archive
    vocabulary: Vocabulary
    linear: Linear
