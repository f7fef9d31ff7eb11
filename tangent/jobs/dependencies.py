"""Dependencies of a step's results in code, and its fingerprint, by each module's syntax alone.

Nothing is imported for it, so planning needs no torch. `from package import name` counts as the
module that defines the name. Imports inside functions count as those at the top of a file do; those
for type checkers do not.

A *registry* is a table at the top of a module, annotated as such:

    HEADS: Registry[type[Head]] = {"zero_shot": ZeroShotHead, "probe": ProbeHead}

Only the entries that a job uses count, with what they refer to: an edit of the probe, or another
kind of head, makes no CLIP model's results stale. A string that is the name of a file beside the
module makes that one of the module's data files.

A fingerprint is a hash of syntax trees without docstrings: comments, layout and spelling, which
cannot change what code does, are not in them. What a version of Python adds to the trees is empty
where it is not used, and what is empty is left out: an upgrade does not make every result stale.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeVar

from tangent.jobs.errors import UserError
from tangent.jobs.files import sha256_file, write_json

T = TypeVar("T")
Registry = dict[str, T]
"""The annotation of a registry, by which this module knows one."""

PACKAGES = ("tangent", "scripts")

KEPT = ".snakemake/syntax"
"""Where what a module says is kept between Snakemake's runs, by the hash of its content."""

NEVER = {
    "scripts.cli",
    "tangent.jobs.dependencies",
    "tangent.jobs.errors",
    "tangent.jobs.files",
    "tangent.jobs.gpus",
    "tangent.jobs.job_record",
    "tangent.jobs.progress",
    "tangent.jobs.provenance",
    "tangent.jobs.run_lock",
    "tangent.jobs.shared_files",
    "tangent.jobs.yaml_files",
    "tangent.results.columns",  # rules have the entry of their table as a parameter
}
"""Modules that read, write, record or report a result, or pick its place, but do not make it.

If they counted, a better message would make every result stale.
"""


@dataclass(frozen=True)
class Dependencies:
    """What a result depends on.

    Attributes:
        modules: by dotted name the hash of what counts of it.
        data: files beside them whose every byte counts, relative to `root`.
        root: folder of the packages.
    """

    modules: Mapping[str, str]
    data: frozenset[str]
    root: Path

    def fingerprint(self, files: Iterable[str] = ()) -> str:
        """Hash the code, its data and other `files` below the root, to 16 hexadecimal digits.

        Raises:
            UserError: a file is missing.
        """
        lines = [f"{module} {text}" for module, text in self.modules.items()]
        lines += [f"{path} {sha256_file(self.root / path)}" for path in {*self.data, *files}]
        return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]


def dependencies(
    starts: Iterable[str], used: Mapping[str, Collection[str]] | None = None, root: str | Path = "."
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
    found: dict[str, str] = {}
    data: set[str] = set()
    left = set(starts)
    while left:
        current = left.pop()
        source = _read(current, root)
        data.update(source.data)
        found[current], names = source.of_job(used)
        targets = {tuple(target) for name in names for target in source.imports[name]}
        left |= {_defining(*target, root) for target in targets} - found.keys() - NEVER
    return Dependencies(found, frozenset(data), root)


def source_file(module: str, root: Path) -> Path | None:
    """The source file of a module below `root`, if there is one."""
    base = root.joinpath(*module.split("."))
    candidates = (base / "__init__.py", base.with_suffix(".py"))
    return next((path for path in candidates if path.is_file()), None)


@cache
def _defining(module: str, name: str | None, root: Path) -> str:
    """The module that defines a name, which a package may have from one of its modules."""
    if name is None:
        return module
    if source_file(f"{module}.{name}", root):
        return f"{module}.{name}"
    targets = _read(module, root).imports.get(name, ())
    return next((_defining(*target, root) for target in targets), module)


@cache
def _read(module: str, root: Path) -> _Source:
    path = source_file(module, root)
    if path is None:
        raise UserError(f"the module {module} does not exist, but a step's code includes it.")
    content, beside = path.read_bytes(), sorted(os.listdir(path.parent))
    name = hashlib.sha256(repr((sys.version, module, beside, content)).encode()).hexdigest()
    kept = root / KEPT / f"{name}.json"
    with contextlib.suppress(OSError, ValueError, TypeError):
        return _Source(**json.loads(kept.read_bytes()))
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path} is not valid Python: {error}") from error
    source = _Reader(module, path, root).read(tree)
    if kept.parent.parent.is_dir():
        with contextlib.suppress(UserError):  # it is only slower without
            write_json(kept, asdict(source))
    return source


@dataclass
class _Source:
    """What a module says, in the types of JSON.

    Attributes:
        imports: by local name what is imported as it, here or there in the module: a module, and
            the name in it (None: the module itself).
        data: files beside the module that it names.
        entries: of registries: its registry, key, hash, and the local names of imports in it.
        always: local names of imports that count however the job goes.
        text: hash of what does: all but registries' entries and the imports for these alone.
    """

    imports: dict[str, list[tuple[str, str | None]]]
    data: list[str]
    entries: list[tuple[str, str, str, list[str]]]
    always: list[str]
    text: str

    def of_job(self, used: Mapping[str, Collection[str]]) -> tuple[str, set[str]]:
        """The hash of what counts for a job, and the local names of the imports that do."""
        words, names = [self.text], set(self.always)
        for registry, key, text, imports in self.entries:
            if registry not in used or key in used[registry]:
                words.append(text)
                names.update(imports)
        return _hash(words), names


@dataclass
class _Part:
    """A statement at the top of a module, or an entry of a registry.

    Its syntax, the names that it refers to, and the local names of what it imports from here.
    """

    words: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    imported: set[str] = field(default_factory=set)

    def hash(self) -> str:
        return _hash(self.words)


def _hash(words: Iterable[str]) -> str:
    # Separated by a character that no word holds: a space may be part of a string.
    return hashlib.sha256("\0".join(words).encode()).hexdigest()


@dataclass
class _Reader:
    """A reader of a module's syntax tree."""

    module: str
    path: Path
    root: Path
    imports: dict[str, set[tuple[str, str | None]]] = field(default_factory=dict)
    data: set[str] = field(default_factory=set)

    def read(self, tree: ast.Module) -> _Source:
        """What the syntax tree says."""
        parts, entries = [], []
        for node in tree.body:
            match node:
                case ast.AnnAssign(annotation=ast.Subscript(value=ast.Name("Registry"))):
                    items = zip(node.value.keys, node.value.values, strict=True)
                    entries += [
                        (node.target.id, ast.literal_eval(key), self._part(key, value))
                        for key, value in items
                    ]
                    parts.append(self._part(node.target, node.annotation))
                case _:
                    parts.append(self._part(node))
        outside = set().union(*(part.names for part in parts))
        of_entries = set().union(*(part.names for *_, part in entries)) - outside
        counted = [part for part in parts if not part.imported or part.imported - of_entries]
        return _Source(
            imports={name: sorted(targets, key=repr) for name, targets in self.imports.items()},
            data=sorted(self.data),
            entries=[
                (registry, key, part.hash(), sorted(part.names & self.imports.keys()))
                for registry, key, part in entries
            ],
            # An import that nothing refers to counts: it is there for what happens when imported.
            always=sorted(self.imports.keys() - of_entries),
            text=_hash(part.hash() for part in counted),
        )

    def _part(self, *nodes: ast.AST) -> _Part:
        part = _Part()
        for node in nodes:
            self._visit(node, part)
        return part

    def _visit(self, node: ast.AST, part: _Part) -> None:
        """Note what a node says: its type, and its fields by name; what is empty is left out."""
        kind = type(node)
        if kind is ast.If and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for statement in node.orelse:
                self._visit(statement, part)
            return
        if kind is ast.Expr and isinstance(node.value, ast.Constant):
            return  # a docstring, which does nothing
        if kind is ast.Name:
            part.names.add(node.id)
        elif kind is ast.Constant:
            self._note_file(node.value)
        elif kind is ast.Import or kind is ast.ImportFrom:
            self._note_imports(node, part)
        elif kind is ast.JoinedStr:  # 3.12 has empty texts between the fields of an f-string
            node.values = [text for text in node.values if getattr(text, "value", None) != ""]
        part.words.append(kind.__name__)
        for name in node._fields:
            value = getattr(node, name, None)
            if value is None or value == [] or name == "ctx":
                continue
            part.words.append(name)
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, ast.AST):
                    self._visit(item, part)
                else:
                    part.words.append(repr(item))
        part.words.append("end")

    def _note_file(self, value: object) -> None:
        if isinstance(value, str) and "." in value and "/" not in value and len(value) < 80:
            beside = self.path.parent / value
            if beside.is_file():
                self.data.add(beside.relative_to(self.root).as_posix())

    def _note_imports(self, node: ast.Import | ast.ImportFrom, part: _Part) -> None:
        if isinstance(node, ast.Import):
            found = [(alias.asname or alias.name, (alias.name, None)) for alias in node.names]
        else:
            is_package = self.path.name == "__init__.py"
            package = self.module.split(".")[: None if is_package else -1]
            parents = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*parents, *filter(None, [node.module])])
            found = [(alias.asname or alias.name, (source, alias.name)) for alias in node.names]
        for local, target in found:
            if target[0].split(".")[0] in PACKAGES:
                self.imports.setdefault(local, set()).add(target)
                part.imported.add(local)
