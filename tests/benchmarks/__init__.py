"""Tests of the benchmarks. Nothing is timed against anything."""
