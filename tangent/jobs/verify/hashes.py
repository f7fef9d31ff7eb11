"""SHA-256 of many files, each read once."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from tangent.jobs.files import sha256_file
from tangent.jobs.progress import Progress


def hash_files(paths: Iterable[str], threads: int) -> dict[str, str]:
    """SHA-256 of those of the files that exist, `threads` of them at a time.

    Raises:
        UserError: a file cannot be read.
    """
    found = sorted({path for path in paths if os.path.isfile(path)})
    with (
        Progress("hash the files", len(found), "file") as progress,
        ThreadPoolExecutor(threads) as pool,
    ):
        hashes = {}
        for path, sha256 in zip(found, pool.map(sha256_file, found), strict=True):
            hashes[path] = sha256
            progress.update()
    return hashes
