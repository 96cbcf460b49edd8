"""Stages `tokenize` and `vocabulary`: from texts to word ids."""
