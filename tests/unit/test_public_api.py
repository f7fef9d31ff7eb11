"""`tangent` as users import it: torch only on demand, and `linearize` is always the function."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tangent
import tangent.ntk

ROOT = Path(__file__).parents[2]


def run(code: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, check=True, timeout=120)


def test_importing_the_package_imports_no_torch() -> None:
    run("import sys, tangent, tangent.ntk; assert not {'torch', 'numpy'} & set(sys.modules)")


def test_tables_and_choices_need_no_torch() -> None:
    run(
        "import sys; from tangent import (accuracy, alpha_grid, choose_negation_alpha,"
        " check_proposition1, disentanglement_error, Eigenfunctions, LinearizedEditedModel);"
        " assert 'torch' not in sys.modules"
    )


@pytest.mark.parametrize(
    "before", ["", "import tangent.arithmetic.linearized", "import tangent.arithmetic.task_vector"]
)
def test_linearize_is_the_function_whatever_was_imported_before(before: str) -> None:
    run(
        f"{before}\n"
        "from tangent import linearize\n"
        "import tangent, tangent.arithmetic.linearized\n"
        "from tangent.arithmetic.linearized import linearize as original, jvp_features\n"
        "assert linearize is tangent.arithmetic.linearized is original and callable(original)\n"
        "from tangent import linearize as again\n"
        "assert again is linearize"
    )


def test_every_public_name_exists() -> None:
    for module in (tangent, tangent.ntk):
        for name in module.__all__:
            assert getattr(module, name) is not None
            assert name in dir(module)
        with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
            module.nonsense  # noqa: B018
