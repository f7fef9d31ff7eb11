"""Registry of checkpoint sources: from an entry of the configuration to a local, checked file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tangent.jobs.dependencies import Registry
from tangent.jobs.sources import described
from tangent.models.published.published_files import PublishedFile, PublishedHub

if TYPE_CHECKING:
    from tangent.models.published.published_files import LocalFile

PUBLISHED_SOURCES: Registry[Any] = {
    "file": PublishedFile,
    "hub": PublishedHub,
}
"""By the value of an entry's key `source`."""


def fetch(entry: Mapping[str, Any], key: str) -> LocalFile:
    """Get the file that an entry names.

    Args:
        entry: one task's value under the configuration's key `published`.
        key: the entry's key in the configuration, for messages.

    Raises:
        UserError: unknown source, missing or unknown option, no such file, no access, no network,
            or a file whose SHA-256 is not the expected one.
    """
    return described(PUBLISHED_SOURCES, entry, key).fetch(key)
