"""The section `points:` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from stages.common.params import Section


class Points(Section):
    """What points to make; the bounds are those within which a picture of them says something."""

    kind: Literal["moons", "circles", "blobs", "spirals", "xor"]
    size: Annotated[int, Field(ge=20, le=1_000_000)]  # train and test together
    noise: Annotated[float, Field(ge=0, le=2)]  # standard deviation, in units of the coordinates
    test: Annotated[float, Field(ge=0.05, le=0.95)]  # the fraction held out for the test
    classes: Annotated[int, Field(ge=2, le=6)]  # blobs and spirals; the others are made of two
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)]

    @field_validator("classes")
    @classmethod
    def _two_unless_counted(cls, classes: int, info: ValidationInfo) -> int:
        kind = info.data.get("kind")
        if kind in ("moons", "circles", "xor") and classes != 2:
            raise ValueError(f"{kind} has 2 classes; set 2, or choose blobs or spirals")
        return classes
