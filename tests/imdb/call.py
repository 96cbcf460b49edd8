"""Call a command's `main` in the process of the tests, which is faster than to start another."""

import sys
from collections.abc import Callable
from unittest.mock import patch


def call(main: Callable[[], None], *args: object) -> None:
    """Call `main` with command-line arguments."""
    with patch.object(sys, "argv", ["command", *map(str, args)]):
        main()
