"""Stages `evaluate` and `compare`: metrics with confidence intervals."""
