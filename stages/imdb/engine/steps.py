"""Enough optimizer steps: with little data, a training has smaller batches."""

from collections.abc import Callable

from stages.common.params import ParamsSection
from stages.common.progress import log

MIN_STEPS = 100  # of a training; with fewer, Adam hardly leaves the initial weights


def shrink(
    value: int, smallest: int, num_steps: Callable[[int], int], min_steps: int = MIN_STEPS
) -> int:
    """Halve a parameter, such as the batch size, until the training has enough steps.

    Args:
        value: The parameter.
        smallest: It is not made smaller than this.
        num_steps: Function from its value to the number of steps.
        min_steps: Number of steps that is enough.

    Returns:
        The value, unchanged if it gives enough steps.
    """
    while value > smallest and num_steps(value) < min_steps:
        value = max(smallest, value // 2)
    return value


def log_fit(section: str, params: ParamsSection, fitted: ParamsSection, num_steps: int) -> None:
    """Log which parameters are smaller than in `params.yaml`, and whether there are few steps.

    Args:
        section: Name of the section of the parameters.
        params: Its values in `params.yaml`.
        fitted: The values of the training.
        num_steps: Number of steps of the training.
    """
    old, new = params.model_dump(), fitted.model_dump()
    changes = [f"{key} {new[key]} instead of {old[key]}" for key in old if new[key] != old[key]]
    if changes:
        log(f"{section}: little data, so it uses {', '.join(changes)}")
    if num_steps < MIN_STEPS:
        steps = "1 step" if num_steps == 1 else f"{num_steps} steps"
        log(
            f"*** {section}: the network will hardly learn in {steps}; raise {section}.epochs, or"
            " add texts"
        )
