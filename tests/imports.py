"""Find the code that a stage runs: the modules of this project that its command imports."""

import ast
from collections.abc import Iterator
from pathlib import Path


def module_files(module: str, root: Path) -> set[Path]:
    """Return the files of this project that `python -m module` imports, directly or indirectly.

    An `__init__.py` that holds only a docstring is left out.

    Args:
        module: Dotted name of a module.
        root: Folder of the project; the returned paths are relative to it.
    """
    files: set[Path] = set()
    names = [module]
    while names:
        name = names.pop()
        path = _source_file(name, root)
        if path is None or path in files:
            continue
        if "." in name:
            names.append(name.rpartition(".")[0])
        tree = ast.parse((root / path).read_text("utf-8"))
        if path.name == "__init__.py" and has_only_docstring(tree):
            continue
        files.add(path)
        names += imported_names(tree)
    return files


def imported_names(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted name of every import, at the top of a module or inside a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            # A name imported from a package may itself be a module.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def has_only_docstring(tree: ast.Module) -> bool:
    """Return True for a module that is empty or consists of its docstring."""
    return len(tree.body) == (ast.get_docstring(tree) is not None)


def _source_file(name: str, root: Path) -> Path | None:
    path = Path(*name.split("."))
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        if (root / candidate).is_file():
            return candidate
    return None
