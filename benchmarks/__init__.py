"""Side-by-side timings: they measure a machine, so they are no part of the pipeline."""

import stages  # noqa: F401  before PyTorch: threads wait for each other as in the pipeline
