"""Benchmarks: timings next to other libraries. They measure a machine, so DVC does not run them."""

import os

# Let idle OpenMP threads of all contenders sleep instead of busy-wait, as in the stage `pretrain`.
# OpenMP reads the variable when PyTorch is first imported.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
