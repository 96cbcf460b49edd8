"""Three deep-learning projects as one DVC pipeline: one package a project, one module a stage."""

import sys

from stages.common.errors import tell_memory
from stages.common.memory import NUMPY, must_be_free

# A stage imports its libraries before its `main` runs; there may be no memory for them.
sys.excepthook = tell_memory
must_be_free(NUMPY)
