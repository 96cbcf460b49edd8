"""Stages `mean` and `lstm`: train a classifier from every seed."""
