"""Trainings side by side."""

import time

import pytest

from stages.common.errors import UserError
from stages.common.processes import cpu_count
from stages.imdb.engine.cpu_tuning import HUGEPAGES_ENV
from stages.imdb.engine.parallel import train_side_by_side


def train(seconds: float) -> None:
    if not seconds:
        raise UserError("the training diverged")
    time.sleep(seconds)


@pytest.mark.skipif(cpu_count() < 2, reason="needs two processors")
def test_the_first_error_ends_all_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in HUGEPAGES_ENV:
        monkeypatch.setenv(name, "")  # restored at the end
    start = time.monotonic()
    with pytest.raises(UserError, match="the training diverged"):
        train_side_by_side(train, [300, 0, 300])
    assert time.monotonic() - start < 200
