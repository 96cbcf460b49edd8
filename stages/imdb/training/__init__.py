"""Stages `train` and `lstm`: train a network from every seed."""
