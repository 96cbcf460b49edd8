"""Which of our modules a module needs: the code that a stage really depends on."""

import ast
from pathlib import Path


def code_of(module: str, root: Path) -> set[str]:
    """The files, relative to `root`, that `python -m module` runs of our own code.

    An `__init__.py` with only a docstring does nothing, and is left out.
    """
    files: set[str] = set()
    waiting = [module]
    while waiting:
        parts = waiting.pop().split(".")
        package, path = Path(*parts, "__init__.py"), Path(f"{'/'.join(parts)}.py")
        path = package if (root / package).is_file() else path
        if not (root / path).is_file() or str(path) in files:
            continue
        if len(parts) > 1:
            waiting.append(".".join(parts[:-1]))
        tree = ast.parse((root / path).read_text("utf-8"))
        if path == package and len(tree.body) <= 1:
            continue
        files.add(str(path))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                waiting.append(node.module)
                waiting += [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                waiting += [alias.name for alias in node.names]
    return files
