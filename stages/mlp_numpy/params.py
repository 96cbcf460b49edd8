"""The section `mlp:` of params.yaml, which projects 1 and 2 share."""

from typing import Annotated, Literal

from pydantic import Field

from stages.common.params import Section


class MLP(Section):
    """The network and its training; the bounds keep out what can only be a slip of the finger."""

    hidden: Annotated[int, Field(ge=1, le=4096)]  # units in the hidden layer
    activation: Literal["tanh", "relu", "sigmoid"]
    epochs: Annotated[int, Field(ge=1, le=10_000)]  # passes over the training points
    batch: Annotated[int, Field(ge=1, le=65_536)]  # points a step
    learning_rate: Annotated[float, Field(gt=0, le=10)]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)]
