"""Three deep-learning projects as one DVC pipeline: one package a project, one module a stage."""

import os
import sys

from stages.common.errors import tell_memory
from stages.common.memory import guard_imports

# A stage imports its libraries before its `main` runs; there may be no memory for them.
sys.excepthook = tell_memory
guard_imports()
# OpenMP's threads wait for each other in a loop, by default for a long time. Where another program
# wants their processor too, a training is ten times as slow for it; soon asleep, they make way.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
