"""Side-by-side timings: they measure a machine, so they are no part of the pipeline."""
