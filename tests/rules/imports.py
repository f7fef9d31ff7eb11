"""Which modules of this repository, and which packages, a script uses, traced in the sources.

`from package import name` counts as the module that defines `name`, not as all that the package's
`__init__` brings along. Imports inside functions count as those at the top of a file do; those for
type checkers do not.
"""

from __future__ import annotations

import ast
import importlib
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("tangent", "scripts")


def used_modules(module: str) -> set[str]:
    """Dotted names of all modules below `ROOT` that `module` uses, itself included."""
    found, left = set(), {module}
    while left:
        current = left.pop()
        found.add(current)
        left |= imports_of(current) - found
    return found


@cache
def imports_of(module: str) -> frozenset[str]:
    """The modules that define what `module` imports by itself."""
    return frozenset(_defining_module(source, name) for _, source, name in _imports(module))


def source_file(module: str) -> Path | None:
    """The source file of a module below `ROOT`, if there is one."""
    base = ROOT.joinpath(*module.split("."))
    candidates = [base / "__init__.py", base.with_suffix(".py")]
    return next((path for path in candidates if path.is_file()), None)


def used_packages(module: str) -> set[str]:
    """Top-level names of what others wrote that `module` and all that it uses import."""
    found = {name for used in used_modules(module) for _, name, _ in _all_imports(used)}
    return {name.split(".")[0] for name in found} - set(PACKAGES) - sys.stdlib_module_names


@cache
def _imports(module: str) -> list[tuple[str, str, str | None]]:
    """Local name, module, name in it (or None) of each import of this repository's modules."""
    return [item for item in _all_imports(module) if item[1].split(".")[0] in PACKAGES]


@cache
def _all_imports(module: str) -> list[tuple[str, str, str | None]]:
    path = source_file(module)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names: list[tuple[str, str, str | None]] = []
    for node in ast.walk(_without_type_checking(ast.parse(path.read_text(encoding="utf-8")))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names.append((alias.asname or alias.name, alias.name, None))
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1]
            prefix = ".".join(parents) if node.level else ""
            source = ".".join(part for part in (prefix, node.module) if part)
            for alias in node.names:
                names.append((alias.asname or alias.name, source, alias.name))
    return names


def _defining_module(module: str, name: str | None) -> str:
    if name is None:
        return module
    if source_file(f"{module}.{name}"):
        return f"{module}.{name}"
    if source_file(module).name == "__init__.py":
        for local, source, original in _imports(module):
            if local == name:
                return _defining_module(source, original)
        # A package may also find its names on first use.
        value = getattr(importlib.import_module(module), name)
        home = getattr(value, "__module__", None) or module
        return home if home.startswith(f"{module}.") else module
    return module


def _without_type_checking(tree: ast.Module) -> ast.Module:
    class Strip(ast.NodeTransformer):
        def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
            is_guard = ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
            return node.orelse if is_guard else self.generic_visit(node)

    return Strip().visit(tree)
