"""The rooms of tangent/: what is where, and which may import which."""

import ast
from collections import Counter
from graphlib import TopologicalSorter

from workspace import ROOT

PACKAGE = ROOT / "tangent"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.name != "__init__.py"
}


def imports(path):
    """The modules of tangent/ that a module imports anywhere but for type checkers."""
    tree, found = ast.parse(path.read_text(encoding="utf-8")), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & MODULES.keys()


IMPORTS = {name: imports(path) for name, path in MODULES.items()}


def room(module):
    return module.split(".")[1]


def test_there_are_few_rooms_and_nothing_beside_them():
    assert [path.name for path in PACKAGE.glob("*.py")] == ["__init__.py"]
    assert len({room(module) for module in MODULES}) <= 16


def test_modules_do_not_import_each_other_in_a_circle():
    assert len(list(TopologicalSorter(IMPORTS).static_order())) == len(MODULES)


def test_rooms_do_not_import_each_other_in_a_circle():
    between = {room(name): set() for name in MODULES}
    for name, others in IMPORTS.items():
        between[room(name)] |= {room(other) for other in others} - {room(name)}
    list(TopologicalSorter(between).static_order())


def test_no_two_modules_have_one_name():
    names = Counter(module.rsplit(".", 1)[1] for module in MODULES)
    assert [name for name, count in names.items() if count > 1] == []


def test_no_two_classes_have_one_name():
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in MODULES.values()]
    classes = [node.name for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]
    assert [name for name, count in Counter(classes).items() if count > 1] == []


def test_no_file_is_long():
    folders = ("tangent", "scripts", "rules", "bench", "tests")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.*")]
    for path in files:
        if path.suffix in (".py", ".smk"):
            lines = len(path.read_text(encoding="utf-8").splitlines())
            assert lines <= 400, f"{path.relative_to(ROOT)} has {lines} lines"
