"""Nothing but the registries may know which family of models, kind of head or kind of data it is.

A branch on a family elsewhere would be one more place to change for the next family.
"""

from __future__ import annotations

import ast
import tokenize
from collections.abc import Iterator
from io import StringIO

import pytest
from workspace import ROOT

from tangent.models.families import FAMILIES
from tangent.models.heads.stored import HEADS

# The registries, and the modules that are their entries; two files of rules have a rule per kind,
# and one the modules of each family.
REGISTRIES = (
    "tangent/models/",
    "tangent/demo/",
    "tangent/training/pretraining/",
    "tangent/config/model_sources.py",
    "tangent/tasks/",
    "rules/code.smk",
    "rules/datasets.smk",
    "rules/heads.smk",
)
MODULES = [
    path.relative_to(ROOT).as_posix()
    for folder in ("tangent", "scripts")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
RULES = ["Snakefile", *(f"rules/{path.name}" for path in sorted((ROOT / "rules").glob("*.smk")))]
FILES = {name for family in FAMILIES.values() for name in (family.config_file, family.weights_file)}
# `zero_shot` is also what results call a model before fine-tuning.
NAMES = {*FAMILIES, *HEADS, *FILES} - {"zero_shot"}
CLASSES = {kind.__name__ for kind in HEADS.values()}
# Parts of the names of what says which family, kind or objective it is.
WHICH = ("famil", "head_kind", "modality", "objective")


def knowledge(tree: ast.AST) -> Iterator[str]:
    """Where code names a family, a kind of head or their files, or branches on which one it is.

    Docstrings may, and so may the keys of a dict at the top of a module: a registry.
    """
    allowed: set[ast.AST | None] = {
        key
        for node in getattr(tree, "body", [])
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
        for key in node.value.keys
    }
    allowed |= {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in NAMES and node not in allowed:
            yield f"line {node.lineno} says {node.value!r}"
        sides: list[ast.AST] = []
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
        elif isinstance(node, ast.Match):
            sides = [node.subject, *node.cases]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
            sides = node.args
        inside = [one for side in sides for one in ast.walk(side)]
        words = {getattr(one, "attr", getattr(one, "id", "")) for one in inside}
        asks = any(part in word for word in words for part in WHICH)
        texts = [one for one in inside if isinstance(getattr(one, "value", None), str)]
        if (asks and texts) or words & CLASSES:
            yield f"line {node.lineno} asks which it is"


@pytest.mark.parametrize("path", [path for path in MODULES if not path.startswith(REGISTRIES)])
def test_a_module_outside_the_registries_knows_no_family(path: str) -> None:
    assert not list(knowledge(ast.parse((ROOT / path).read_text(encoding="utf-8"))))


@pytest.mark.parametrize("path", [path for path in RULES if path not in REGISTRIES])
def test_a_rule_knows_no_family(path: str) -> None:
    """Rule files are no Python, but have its tokens."""
    content = (ROOT / path).read_text(encoding="utf-8")
    tokens = tokenize.generate_tokens(StringIO(content).readline)
    texts = {token.string.strip("rfb\"'") for token in tokens if token.type == tokenize.STRING}
    assert not {name for name in NAMES for text in texts if text == name or f"/{name}" in text}


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("if config.family_of(model) == 'x': pass", 1),
        ("y = 1 if head_kind in ('probe', 'x') else 2", 2),
        ("match folder.family:\n  case 'x': pass", 1),
        ("z = [m for m in models if 'x' != m.family]", 1),
        ("if any(family.name == 'x' for family in families): pass", 1),
        ("if isinstance(head, ZeroShotHead): pass", 1),
        ("def f():\n  return {'text_to_text': 1}[name]", 1),
        ("PARTS = {'text_to_text': 1}", 0),
        ("if family == other.family: pass", 0),
        ("'text_to_text'", 0),
    ],
)
def test_such_code_is_found(code: str, lines: int) -> None:
    assert len(list(knowledge(ast.parse(code)))) == lines
