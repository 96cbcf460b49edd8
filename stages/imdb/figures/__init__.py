"""Stages `neighbours` and `imdb_figures`: the figures of project 3."""
