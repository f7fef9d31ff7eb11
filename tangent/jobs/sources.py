"""Functions of all registries of sources: read an entry, make its source, compare its file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from tangent.jobs.errors import UserError
from tangent.jobs.files import sha256_file
from tangent.jobs.keys import Section

T = TypeVar("T", bound=Section)


def parse(text: str) -> dict[str, Any]:
    """Read a registry entry given as JSON on a command line.

    Raises:
        UserError: it is not a JSON object.
    """
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"--source is not valid JSON ({error}): {text}") from error
    if not isinstance(content, dict):
        raise UserError(f"--source must be a JSON object with the key source, not {text}.")
    return content


def described(registry: Mapping[str, type[T]], entry: Mapping[str, Any], key: str) -> T:
    """The source that an entry names as `source`, with its keys; messages call the entry `key`.

    Raises:
        UserError: unknown source, or a key that is missing, unknown or wrong.
    """
    name = entry.get("source")
    if name not in registry:
        raise UserError(f"{key}: unknown source {name!r}: choose one of {', '.join(registry)}.")
    try:
        return registry[name].model_validate(dict(entry))
    except ValidationError as error:
        about, what = error.errors()[0]["loc"][0], error.errors()[0]["msg"]
        keys = ", ".join(other for other in registry[name].model_fields if other != "source")
        raise UserError(
            f"{key}.{about}: {what[0].lower()}{what[1:]}. The source {name!r} takes the keys "
            f"{keys}."
        ) from error


def check_sha256(
    path: str | Path,
    expected: str,
    key: str,
    mishap: str = "The file was damaged or replaced: fetch it again",
) -> None:
    """Compare a file with the SHA-256 that the configuration gives under `key`.

    Raises:
        UserError: they differ (`mishap` says why that may be, and the remedy), or there is no file.
    """
    found = sha256_file(path)
    if found != expected:
        raise UserError(
            f"{path}: SHA-256 is {found}, but the configuration ({key}) expects {expected}. "
            f"{mishap}, or, if the new one is what you want, put its SHA-256 there."
        )
