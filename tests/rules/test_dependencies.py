"""What results depend on: a small package by hand, and this repository as Python sees it."""

import ast
import random
import re
import shutil
import subprocess
import sys
from modulefinder import ModuleFinder

import pytest
from workspace import ROOT

from tangent.jobs.dependencies import (
    KEPT,
    NEVER,
    PACKAGES,
    _defining,
    _read,
    dependencies,
    source_file,
)
from tangent.jobs.errors import UserError

SCRIPTS = sorted(
    f"scripts.{name}"
    for path in (ROOT / "rules").glob("*.smk")
    for name in set(re.findall(r"python -m scripts (\w+)", path.read_text(encoding="utf-8")))
)
IGNORED = shutil.ignore_patterns("__pycache__")
EXAMPLE = {
    "scripts/__init__.py": "",
    "scripts/step.py": """
        from typing import TYPE_CHECKING
        from tangent.shapes import Square
        from tangent.registry import KINDS
        if TYPE_CHECKING:
            from tangent.types_only import Anything
        def run():
            from tangent import inside as other
            import tangent.jobs.errors
    """,
    "tangent/__init__.py": "from tangent.unused import nothing\n",
    "tangent/jobs/errors.py": "from tangent.never import reached\n",
    "tangent/shapes/__init__.py": "from .round import Disc\nfrom .square import Square\n",
    "tangent/shapes/square.py": "TABLE = 'numbers.yaml'\nclass Square: ...\n",
    "tangent/shapes/round.py": "class Disc: ...\n",
    "tangent/shapes/numbers.yaml": "a: 1\n",
    "tangent/inside.py": "",
    "tangent/types_only.py": "",
    "tangent/unused.py": "nothing = 0\n",
    "tangent/registry.py": """
        from tangent.shapes.round import Disc
        from tangent import one, two
        KINDS: Registry[object] = {"one": one.read, "two": (two.A, two.B), "disc": Disc}
        also = Disc
    """,
    "tangent/one.py": "",
    "tangent/two.py": "",
}


@pytest.fixture
def example(tmp_path):
    for name, text in EXAMPLE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(re.sub(r"(?m)^ {8}", "", text), encoding="utf-8")
    return tmp_path


ALWAYS = {"scripts.step", "tangent.inside", "tangent.registry"}
ALWAYS |= {"tangent.shapes.round", "tangent.shapes.square"}


@pytest.mark.parametrize(
    ("used", "entries"),
    [
        ({}, {"tangent.one", "tangent.two"}),
        ({"OTHERS": ["one"]}, {"tangent.one", "tangent.two"}),
        ({"KINDS": ["two"]}, {"tangent.two"}),
        ({"KINDS": ["disc"]}, set()),
        ({"KINDS": ["unknown"]}, set()),
    ],
)
def test_a_small_package(example, used, entries):
    found = dependencies(["scripts.step"], used, example)
    assert found.modules.keys() == ALWAYS | entries
    assert found.data == {"tangent/shapes/numbers.yaml"}


def test_an_entry_counts_where_it_is_used_and_only_there(example):
    def of(*used):
        _read.cache_clear()
        _defining.cache_clear()
        return dependencies(["scripts.step"], {"KINDS": used}, example).fingerprint()

    registry = example / "tangent/registry.py"
    lines = '"one": one.read,', '"two": (two.A, two.B),', '"disc": Disc,'
    table = "KINDS: Registry[object] = {\n    " + "\n    ".join(lines) + "\n}\n"
    imports = "from tangent import one, two\nfrom tangent.shapes.round import Disc\n"
    registry.write_text(imports + table)
    before = {entry: of(entry) for entry in ("one", "two", "disc")}
    assert len(set(before.values())) == 3
    registry.write_text(
        "from tangent import three\n" + imports + table.replace("{", '{\n    "three": three,')
    )
    (example / "tangent/three.py").write_text("")
    assert {entry: of(entry) for entry in before} == before
    registry.write_text(imports + table.replace("two.B", "two.C"))
    assert [entry for entry in before if of(entry) != before[entry]] == ["two"]


def test_what_a_module_says_is_kept_between_runs_until_its_content_changes(example):
    def found():
        _read.cache_clear()
        _defining.cache_clear()
        return dependencies(["scripts.step"], {"KINDS": ["two"]}, example)

    read = found()
    (example / ".snakemake").mkdir()
    assert found() == read
    kept = list((example / KEPT).iterdir())
    assert len(kept) == len(read.modules) + 1  # and the package that says where Square is
    for path, damage in zip(kept, ("", "{", "[]", "{}", "null", '{"text": 1}'), strict=False):
        path.write_text(damage)
    assert found() == read
    (example / "tangent/two.py").write_text("edited = 1\n")
    assert found().modules["tangent.two"] != read.modules["tangent.two"]
    (example / "tangent/inside.py").write_text("FILE = 'later.yaml'\n")
    assert found().data == read.data
    (example / "tangent/later.yaml").write_text("a: 1\n")
    assert found().data == read.data | {"tangent/later.yaml"}


def test_a_module_that_is_missing_or_broken_is_named(example):
    with pytest.raises(UserError, match=r"scripts\.nothing does not exist"):
        dependencies(["scripts.nothing"], root=example)
    (example / "tangent/broken.py").write_text("def")
    with pytest.raises(UserError, match=r"broken\.py is not valid Python"):
        dependencies(["tangent.broken"], root=example)


def test_nothing_counts_that_python_does_not_find_imported():
    """Python's modulefinder reads bytecode: it sees all imports, those for type checkers too."""
    for script in random.sample(SCRIPTS, 4):
        finder = ModuleFinder(path=[str(ROOT)])
        finder.run_script(str(source_file(script, ROOT)))
        names = {name for name in finder.modules if name.split(".")[0] in PACKAGES}
        assert dependencies([script], root=ROOT).modules.keys() <= names | {script}, script


def test_an_edit_changes_fingerprints_unless_the_module_never_counts(tmp_path):
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=IGNORED)
    steps = {name: dependencies([name], root=tmp_path) for name in SCRIPTS}

    def changed_by_an_edit_of(modules):
        paths = [source_file(module, tmp_path) for module in modules]
        before = {path: path.read_text(encoding="utf-8") for path in paths}
        for path, text in before.items():
            path.write_text(text + "edited = True\n", encoding="utf-8")
        found = fingerprints()
        for path, text in before.items():
            path.write_text(text, encoding="utf-8")
        return {name for name, value in found.items() if value != original[name]}

    def fingerprints():
        _read.cache_clear()
        return {name: dependencies([name], root=tmp_path).fingerprint() for name in SCRIPTS}

    original = fingerprints()
    assert changed_by_an_edit_of(NEVER) == set()
    counted = sorted(set().union(*(found.modules for found in steps.values())))
    for module in random.sample(counted, 3):
        expected = {name for name, found in steps.items() if module in found.modules}
        assert changed_by_an_edit_of([module]) == expected, module


@pytest.mark.parametrize("path", sorted((ROOT / "tangent").rglob("*.py")), ids=lambda p: p.stem)
def test_a_registry_is_a_literal_table_at_the_top(path):
    """Elsewhere, or as a comprehension, what is annotated as one would not be followed rightly."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation).startswith("Registry["):
            assert node in tree.body
            assert isinstance(node.value, ast.Dict)
            assert all(isinstance(key, ast.Constant) for key in node.value.keys)


def test_every_data_file_counts_somewhere():
    scripts = [f"scripts.{path.stem}" for path in (ROOT / "scripts").glob("*.py")]
    # What columns mean is for people.
    counted = {*dependencies(scripts, root=ROOT).data, "tangent/results/columns.yaml"}
    for suffix in ("yaml", "j2", "css", "js", "json", "csv"):
        for path in (ROOT / "tangent").rglob(f"*.{suffix}"):
            name = path.relative_to(ROOT).as_posix()
            assert name in counted or name.startswith("tangent/tasks/"), f"{name} counts nowhere"


def test_checking_the_configuration_imports_no_heavy_package():
    heavy = {"torch", "tqdm", "matplotlib", "pyarrow", "PIL", "sklearn", "huggingface_hub"}
    modules = "tangent.config.load, tangent.jobs.dependencies"
    code = f"import sys, {modules}; sys.exit(bool({heavy} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
