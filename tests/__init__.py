"""The tests; their folders are those of stages."""

import stages  # noqa: F401  before PyTorch: threads wait for each other as in the pipeline
