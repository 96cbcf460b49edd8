"""Schema of the `mlp` section of `params.yaml`, which projects 1 and 2 share."""

from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from stages.common.params import ParamsSection
from stages.mlp_numpy.model import ACTIVATIONS


class MLP(ParamsSection):
    """The network and its training. The bounds only exclude values that must be typing errors."""

    RENAMED: ClassVar = {"hidden": "hidden_size", "batch": "batch_size"}

    hidden_size: Annotated[int, Field(ge=1, le=4096)]
    activation: str  # a key of ACTIVATIONS
    epochs: Annotated[int, Field(ge=1, le=10_000)]
    batch_size: Annotated[int, Field(ge=1, le=65_536)]
    learning_rate: Annotated[float, Field(gt=0, le=10)]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)]

    @field_validator("activation")
    @classmethod
    def _check_activation(cls, activation: str) -> str:
        if activation not in ACTIVATIONS:
            raise ValueError(f"expected one of {', '.join(ACTIVATIONS)}")
        return activation
