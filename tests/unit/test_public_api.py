"""`tangent` as users import it: torch only on demand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tangent

ROOT = Path(__file__).parents[2]


def run(code: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, check=True, timeout=120)


def test_importing_the_package_imports_no_torch() -> None:
    run("import sys, tangent; assert not {'torch', 'numpy'} & set(sys.modules)")


def test_tables_and_choices_need_no_torch() -> None:
    run(
        "import sys; from tangent import (accuracy, alpha_grid, choose_negation_alpha,"
        " check_proposition1, disentanglement_error, Eigenfunctions, LinearizedEditedModel);"
        " assert 'torch' not in sys.modules"
    )


def test_every_public_name_exists() -> None:
    for name in tangent.__all__:
        assert getattr(tangent, name) is not None
        assert name in dir(tangent)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        tangent.nonsense  # noqa: B018


def test_no_room_or_module_at_the_top_has_a_public_name() -> None:
    """Importing it would hide the function of that name."""
    at_the_top = {path.stem for path in (ROOT / "tangent").iterdir()}
    assert at_the_top.isdisjoint(tangent.__all__)
