"""Dependencies of a result on code, read in the syntax trees of a script and of what it imports.

Nothing is imported to find them, so planning needs no torch. `from package import name` counts as
the module that defines the name. Imports inside functions count as those at the top of a file do;
those for type checkers do not.

A *registry* is a table at the top of a module, annotated as such:

    HEADS: Registry[type[Head]] = {"zero_shot": ZeroShotHead, "probe": ProbeHead}

Only the entries that a job uses count, with what they refer to: an edit of the probe, or another
kind of head, makes no CLIP model's results stale. A string that is the name of a file beside the
module makes that one of the module's data files.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeVar

from tangent.jobs.errors import UserError

T = TypeVar("T")
Registry = dict[str, T]
"""The annotation of a registry, by which this module knows one."""

PACKAGES = ("tangent", "scripts")

NEVER = {
    "scripts.cli",
    "tangent.jobs.dependencies",
    "tangent.jobs.errors",
    "tangent.jobs.files",
    "tangent.jobs.gpu_lease",
    "tangent.jobs.gpus",
    "tangent.jobs.job_record",
    "tangent.jobs.out_of_memory",
    "tangent.jobs.progress",
    "tangent.jobs.provenance",
    "tangent.jobs.run_lock",
    "tangent.results.columns",  # rules have the entry of their table as a parameter
}
"""Modules that read, write, record or report a result, or pick its place, but do not make it."""


@dataclass(frozen=True)
class Dependencies:
    """What a result depends on.

    Attributes:
        modules: dotted names.
        data: files beside them whose every byte counts, relative to the root.
        left_out: by module the lines that do not count: registries' entries that are not used, and
            the imports that only entries refer to.
    """

    modules: frozenset[str]
    data: frozenset[str]
    left_out: Mapping[str, frozenset[int]]


def dependencies(
    starts: Iterable[str],
    used: Mapping[str, Collection[str]] | None = None,
    root: str | Path = ".",
) -> Dependencies:
    """Find what the results of some modules depend on, these included.

    Args:
        starts: their dotted names, such as `scripts.finetune`.
        used: by registry the entries that the job uses; all of them if it is not named. Of an
            entry that a registry does not have nothing counts.
        root: folder of the packages.

    Raises:
        UserError: a module is missing or not valid Python.
    """
    root, used = Path(root), used or {}
    found: dict[str, frozenset[int]] = {}
    data: set[str] = set()
    left = set(starts)
    while left:
        current = left.pop()
        source = _read(current, root)
        data |= source.data
        names, lines = set(source.always), set(source.imports_of_entries)
        for registry, entries in source.registries.items():
            for entry, (of_entry, its_lines) in entries.items():
                if entry in used.get(registry, entries):
                    names |= of_entry
                else:
                    lines |= its_lines
        found[current] = frozenset(lines)
        targets = {target for name in names for target in source.imports[name]}
        left |= {_defining(*target, root) for target in targets} - found.keys() - NEVER
    return Dependencies(frozenset(found), frozenset(data), found)


@dataclass
class _Source:
    """What one module says.

    Attributes:
        imports: by local name what is imported as it, here or there in the module: a module, and
            the name in it (None: the module itself).
        always: local names that count however the job goes.
        registries: by name and entry, the local names that the entry refers to, and its lines.
        imports_of_entries: lines of the imports that only entries refer to.
        data: files beside the module that it names.
    """

    imports: dict[str, set[tuple[str, str | None]]] = field(default_factory=dict)
    always: set[str] = field(default_factory=set)
    registries: dict[str, dict[str, tuple[set[str], set[int]]]] = field(default_factory=dict)
    imports_of_entries: set[int] = field(default_factory=set)
    data: set[str] = field(default_factory=set)


def source_file(module: str, root: Path) -> Path | None:
    """The source file of a module below `root`, if there is one."""
    base = root.joinpath(*module.split("."))
    candidates = (base / "__init__.py", base.with_suffix(".py"))
    return next((path for path in candidates if path.is_file()), None)


@cache
def _read(module: str, root: Path) -> _Source:
    path = source_file(module, root)
    if path is None:
        raise UserError(f"the module {module} does not exist, but a step's code includes it.")
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise UserError(f"{path} is not valid Python: {error}") from error
    tables = [node for node in tree.body if _is_registry(node)]
    source = _Source()
    outside: set[str] = set()
    statements: list[tuple[set[str], set[int]]] = []
    for node in _nodes(tree, skipped=tables):
        if isinstance(node, ast.Import | ast.ImportFrom):
            imported = list(_imported(node, module, path))
            for local, target in imported:
                source.imports.setdefault(local, set()).add(target)
            statements.append(({local for local, _ in imported}, _lines(node, node)))
        elif isinstance(node, ast.Name):
            outside.add(node.id)
        elif isinstance(node, ast.Constant) and _may_be_file(node.value):
            beside = path.parent / node.value
            if beside.is_file():
                source.data.add(beside.relative_to(root).as_posix())
    of_entries: set[str] = set()
    for table in tables:
        keys, values = table.value.keys, table.value.values
        lines = [_lines(*entry) for entry in zip(keys, values, strict=True)]
        if len(set().union(*lines)) < sum(map(len, lines)):
            lines = [set()] * len(lines)  # on a line with others an entry cannot be left out
        names = [_names(value) & source.imports.keys() for value in values]
        of_entries = of_entries.union(*names)
        of_keys = zip(map(ast.literal_eval, keys), names, lines, strict=True)
        source.registries[table.target.id] = {key: of for key, *of in of_keys}
    # An import that nothing refers to counts: it is there for what happens when it is imported.
    source.always = source.imports.keys() - (of_entries - outside)
    for names, lines in statements:
        if names and source.always.isdisjoint(names):
            source.imports_of_entries |= lines
    return source


def _lines(first: ast.AST, last: ast.AST) -> set[int]:
    return set(range(first.lineno, last.end_lineno + 1))


def _is_registry(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.AnnAssign)
        and isinstance(node.annotation, ast.Subscript)
        and isinstance(node.annotation.value, ast.Name)
        and node.annotation.value.id == "Registry"
    )


def _nodes(node: ast.AST, skipped: list[ast.stmt]) -> Iterator[ast.AST]:
    """All nodes below one, without some statements and without what is for type checkers."""
    for child in ast.iter_child_nodes(node):
        if child in skipped:
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            for other in child.orelse:
                yield from _nodes(other, skipped)
            continue
        yield child
        yield from _nodes(child, skipped)


def _names(expression: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}


def _may_be_file(value: object) -> bool:
    return isinstance(value, str) and "." in value and "/" not in value and len(value) < 80


def _imported(
    node: ast.Import | ast.ImportFrom, module: str, path: Path
) -> Iterator[tuple[str, tuple[str, str | None]]]:
    """Local names, and what they are, of this repository's modules that a statement imports."""
    if isinstance(node, ast.Import):
        found = [(alias.asname or alias.name, (alias.name, None)) for alias in node.names]
    else:
        package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
        parents = package[: len(package) - node.level + 1] if node.level else []
        source = ".".join([*parents, *filter(None, [node.module])])
        found = [(alias.asname or alias.name, (source, alias.name)) for alias in node.names]
    yield from (item for item in found if item[1][0].split(".")[0] in PACKAGES)


@cache
def _defining(module: str, name: str | None, root: Path) -> str:
    """The module that defines a name, which a package may have from one of its modules."""
    if name is None:
        return module
    if source_file(f"{module}.{name}", root):
        return f"{module}.{name}"
    targets = _read(module, root).imports.get(name, ())
    return next((_defining(*target, root) for target in targets), module)
