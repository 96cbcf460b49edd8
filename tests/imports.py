"""Which of our modules a module needs: the code that a stage really depends on."""

import ast
from pathlib import Path


def code_of(module: str, root: Path) -> set[str]:
    """The files, relative to `root`, that `python -m module` runs of our own code.

    Empty `__init__.py` files with only a docstring do nothing, and are left out.
    """
    files: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = Path(*name.split(".")).with_suffix(".py")
        if not (root / path).is_file() or str(path) in files:
            continue
        files.add(str(path))
        for node in ast.walk(ast.parse((root / path).read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                waiting.append(node.module)
                waiting += [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                waiting += [alias.name for alias in node.names]
    return files
