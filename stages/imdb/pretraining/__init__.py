"""Stage `pretrain`: train the LSTM as a language model."""

import os

# OpenMP threads busy-wait for each other by default. On a busy machine that slows this stage
# tenfold, so let idle threads sleep. OpenMP reads the variable when PyTorch is first imported.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
