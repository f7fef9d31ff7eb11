"""Reading MATLAB files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tangent.jobs.errors import UserError


def read_mat(file: Path, variables: tuple[str, ...], **options: Any) -> list[Any]:
    """Variables of a .mat file.

    Args:
        file: the file.
        variables: their names.
        options: options of scipy.io.loadmat.

    Raises:
        UserError: the file is damaged or has other variables.
    """
    from scipy.io import loadmat

    try:
        content = loadmat(file, **options)
    except Exception as error:  # a damaged file ends in any kind of exception
        raise UserError(
            f"{file} cannot be read as a .mat file ({error}): it is damaged or incomplete. Delete "
            "it and get it again."
        ) from error
    missing = [name for name in variables if name not in content]
    if missing:
        there = ", ".join(name for name in content if not name.startswith("__"))
        raise UserError(f"{file} has no variable {missing[0]!r}; it has {there or 'none'}.")
    return [content[name] for name in variables]
