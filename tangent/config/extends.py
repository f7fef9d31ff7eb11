"""The chain of files that a configuration extends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tangent.config.load import ConfigError


def extended_files(extends: Any) -> list[str]:
    """The files to merge before the one that says `extends`, in the order of merging.

    Args:
        extends: the value of the key; None gives no file.

    Raises:
        ConfigError: a file is not there, is no mapping in YAML, or comes twice.
    """
    files: list[str] = []
    while extends is not None:
        if not isinstance(extends, str):
            raise ConfigError([f"extends must be one path, not {extends!r}"])
        if not Path(extends).is_file():
            remedy = "give a file, its path from the repository root"
            raise ConfigError([f"extends: {extends} does not exist or is not a file: {remedy}"])
        if extends in files:
            raise ConfigError([f"extends: {' → '.join([*files, extends])} goes in a circle"])
        files.append(extends)
        extends = _mapping(extends).get("extends")
    return files[::-1]


def _mapping(file: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError([f"extends: {file} is not YAML: {error}"]) from error
    if not isinstance(content, dict):
        raise ConfigError([f"extends: {file} must be a mapping of keys"])
    return content
