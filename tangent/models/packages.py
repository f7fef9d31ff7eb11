"""Weights that a Python package carries as a plain torch file, for an architecture of timm."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from tangent.jobs.errors import UserError
from tangent.jobs.files import sha256_file

if TYPE_CHECKING:
    from torch import Tensor


def package_file(package: str, file: str, sha256: str) -> Path:
    """Find a file of an installed package, whose code is not run.

    Args:
        package: the package's name, as pip has it.
        file: the file's path in the folder that packages are installed in.
        sha256: of the file, in hexadecimal.

    Raises:
        UserError: the package is not installed, lacks the file, or has another one.
    """
    try:
        path = Path(distribution(package).locate_file(file))
    except PackageNotFoundError as error:
        raise UserError(
            f"pretrained: the Python package {package}, which carries the weights, is not "
            "installed: run `make real-environment`, or install it by pip into the environment "
            "that Snakemake runs in."
        ) from error
    if not path.is_file():
        raise UserError(
            f"pretrained: the installed package {package} has no file {file}: correct the key "
            "file, or install the version that envs/real.in names."
        )
    found = sha256_file(path)
    if found != sha256:
        raise UserError(
            f"{path}: SHA-256 is {found}, but the configuration (pretrained, key sha256) expects "
            f"{sha256}. The package was damaged or has another version: install it again, or, if "
            "the new file is what you want, put its SHA-256 there."
        )
    return path


def renamed(
    found: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path
) -> dict[str, Tensor]:
    """Give tensors the names of an architecture's, one to one in their order.

    Implementations of one network name its tensors differently but define them in one order.

    Args:
        found: tensors of a file, in its order.
        expected: state dict of the architecture.
        path: the file, for messages.

    Raises:
        UserError: there are more or fewer tensors, or one has another shape.
    """
    if len(found) != len(expected):
        raise UserError(
            f"{path} holds {len(found)} tensors, but the architecture has {len(expected)}: correct "
            "the key architecture (pretrained)."
        )
    for (theirs, value), (ours, other) in zip(found.items(), expected.items(), strict=True):
        if value.shape != other.shape:
            raise UserError(
                f"{path}: {theirs} has shape {list(value.shape)}, but {ours}, in the same place of "
                f"the architecture, {list(other.shape)}: correct the key architecture (pretrained)."
            )
    return dict(zip(expected, found.values(), strict=True))
