"""The Hugging Face client's cache: what the hub says of a file there, without a network."""

import logging
import os
import re
from pathlib import Path

from tangent.jobs.errors import UserError
from tangent.jobs.files import sha256_file

logger = logging.getLogger("tangent")

_SHA256 = re.compile(r"[0-9a-f]{64}")


def cached_file(path: Path) -> tuple[Path, str | None]:
    """The file behind a path that the client returned, and the SHA-256 that the hub announced.

    The client's paths are links to files that it names by the hub's ETag. For files in large-file
    storage that is the SHA-256; for others there is none.
    """
    # One link only: the file itself may be a link of the user's, to another disk.
    blob = Path(os.path.join(path.parent, os.readlink(path))) if path.is_symlink() else path
    return Path(os.path.normpath(blob)), blob.name if _SHA256.fullmatch(blob.name) else None


def no_space(what: str) -> UserError:
    """What to say where a download found the disk full, or a quota used up (`is_full_disk`)."""
    cache = os.environ.get("HF_HOME", "~/.cache/huggingface")
    return UserError(
        f"{what}: no space is left for the download in {cache}. Free some, or let HF_HOME name a "
        "folder on a larger disk, and run this again: it resumes."
    )


def checked_sha256(path: Path, what: str) -> str:
    """The SHA-256 of a file in the cache, compared with the hub's where it announces one.

    The path is as the client returned it; messages call the file `what`.

    Raises:
        UserError: they differ.
    """
    blob, announced = cached_file(path)
    found = sha256_file(blob)
    if announced is None:
        logger.warning("%s: the hub gives no SHA-256 to compare with; it is %s", what, found)
    elif announced != found:
        raise UserError(
            f"{what}: SHA-256 is {found}, but the hub says {announced}. The download was damaged: "
            f"delete {blob} and run this step again."
        )
    return found
