"""Registry of sources of published files."""

from typing import Any

from tangent.jobs.dependencies import Registry
from tangent.models.published.published_files import PublishedFile, PublishedHub

PUBLISHED_SOURCES: Registry[Any] = {"file": PublishedFile, "hub": PublishedHub}
"""By the value of an entry's key `source`."""
