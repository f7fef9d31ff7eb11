"""The Hugging Face client's cache: what the hub says of a file there, without a network."""

from __future__ import annotations

import os
import re
from pathlib import Path

_SHA256 = re.compile(r"[0-9a-f]{64}")


def cached_file(path: Path) -> tuple[Path, str | None]:
    """The file behind a path that the client returned, and the SHA-256 that the hub announced.

    The client's paths are links to files that it names by the hub's ETag. For files in large-file
    storage that is the SHA-256; for others there is none.
    """
    # One link only: the file itself may be a link of the user's, to another disk.
    blob = Path(os.path.join(path.parent, os.readlink(path))) if path.is_symlink() else path
    return Path(os.path.normpath(blob)), blob.name if _SHA256.fullmatch(blob.name) else None
