"""Schema of the `points` section of `params.yaml`."""

import math
from typing import Annotated, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from stages.common.params import ParamsSection


class Points(ParamsSection):
    """The data set of projects 1 and 2. The names are those of `sklearn.datasets`."""

    RENAMED: ClassVar = {
        "kind": "dataset", "size": "n_samples", "test": "test_size", "classes": "n_classes",
    }  # fmt: skip

    dataset: Literal["moons", "circles", "blobs", "spirals", "xor"]
    n_samples: Annotated[int, Field(ge=20, le=1_000_000)]  # training and test points together
    noise: Annotated[float, Field(ge=0, le=2)]  # standard deviation, in units of the coordinates
    n_classes: Annotated[int, Field(ge=2, le=6)]
    test_size: Annotated[float, Field(ge=0.05, le=0.95)]  # fraction of the points
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)]

    @field_validator("n_classes")
    @classmethod
    def _check_n_classes(cls, n_classes: int, info: ValidationInfo) -> int:
        dataset = info.data.get("dataset")
        if dataset in ("moons", "circles", "xor") and n_classes != 2:
            raise ValueError(f"{dataset} has 2 classes; set 2, or choose blobs or spirals")
        return n_classes

    @field_validator("test_size")
    @classmethod
    def _check_test_size(cls, test_size: float, info: ValidationInfo) -> float:
        n_samples, n_classes = info.data.get("n_samples"), info.data.get("n_classes")
        if n_samples and n_classes:
            n_test = math.ceil(test_size * n_samples)
            if min(n_test, n_samples - n_test) < n_classes:
                raise ValueError(
                    f"{n_samples - n_test} training and {n_test} test points cannot both contain"
                    f" {n_classes} classes; choose a value nearer 0.5, or more points"
                )
        return test_size
