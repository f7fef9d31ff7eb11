"""What every source of published weights returns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Fetched:
    """A published file on this machine.

    Attributes:
        path: the file.
        sha256: SHA-256 of its bytes.
        commit: the commit that it is of, if it is from the hub: then it lies in the cache of the
            hub's client, whose paths differ between machines.
    """

    path: Path
    sha256: str
    commit: str | None = None
