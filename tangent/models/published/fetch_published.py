"""Registry of checkpoint sources: from an entry of the configuration to a local, checked file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tangent.jobs.errors import UserError
from tangent.jobs.files import sha256_file
from tangent.jobs.sources import Source, call
from tangent.models.published.hub_file import download
from tangent.models.published.published_file import Fetched


def fetch(entry: Mapping[str, Any], key: str) -> Fetched:
    """Get the file that an entry names.

    Args:
        entry: one task's value under the configuration's key `published`.
        key: the entry's key in the configuration, for messages.

    Raises:
        UserError: unknown source, missing or unknown option, no such file, no access, no network,
            or a file whose SHA-256 is not the expected one.
    """
    return call(SOURCES, entry, key, key)


def _from_file(key: str, path: str, sha256: str) -> Fetched:
    """A file of this machine."""
    try:
        found = sha256_file(path)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}): {key}.path must name a readable file."
        ) from error
    if found != sha256:
        raise UserError(
            f"{path}: SHA-256 is {found}, but the configuration ({key}.sha256) expects {sha256}. "
            "The file was damaged or replaced: fetch it again, or, if this one is what you want, "
            "put its SHA-256 there."
        )
    return Fetched(Path(path), found)


SOURCES = {
    "hub": Source(download, ("repository", "revision", "file")),
    "file": Source(_from_file, ("path", "sha256")),
}
