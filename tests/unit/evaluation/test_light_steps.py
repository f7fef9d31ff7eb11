"""Steps that only look tables up must not wait for torch: a study has hundreds of them."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]

SCRIPT = """
import sys
from scripts import cli, {name} as script
script.run(cli.parse(script.Arguments, sys.argv[1:]))
heavy = {{"torch", "open_clip", "pandas", "scipy", "matplotlib"}} & set(sys.modules)
sys.exit(f"imported: {{heavy}}" if heavy else 0)
"""


@pytest.fixture
def alone(study):
    """The study, with every script run in a Python of its own that may import nothing heavy."""

    class Alone(type(study)):
        def script(self, name: str, *flags: object) -> None:
            command = [sys.executable, "-c", SCRIPT.format(name=name), *map(str, flags)]
            done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr

    fields = {field.name: getattr(study, field.name) for field in dataclasses.fields(study)}
    return Alone(**fields)


def test_linearized_evaluations_import_no_torch(alone, tmp_path):
    red = ("--task", "red", "--control", "grey")
    every = [
        "--merging",
        "sum",
        "--tasks",
        "red",
        "--single-task",
        f"red={alone.root}/single_task/linear/red.json",
    ]
    output = ("--output", tmp_path / "result.json")
    folder = ("--output-dir", tmp_path, "--alphas", 0, 0.5, 1)
    alpha = ("--alpha", tmp_path / "alpha.json")
    for name, vector, flags in (
        ("single_task", "red", ("--task", "red", *output)),
        ("validate_negation", "red", (*red, "--control-threshold", 0.9, *folder)),
        ("negation", "red", (*red, *alpha, *output)),
        ("validate_addition", "sum", (*every, *folder)),
        ("addition", "sum", (*every, *alpha, *output)),
    ):
        alone.evaluate(name, "linear", *flags, vectors=(vector,))


def test_zero_shot_imports_no_torch(alone, tmp_path):
    alone.script(
        *("zero_shot", "--model", "tiny", "--seed", 0, *alone.features_flag()),
        *("--heads-dir", alone.root / "heads", "--datasets-dir", alone.root / "datasets"),
        *("--output", tmp_path / "zero_shot.json"),
    )
