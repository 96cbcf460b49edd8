"""Benchmarks: timings next to other libraries. They measure a machine, so DVC does not run them."""
