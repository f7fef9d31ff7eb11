"""Files in folders that other users may write too: locks and logs."""

import errno
import os
import stat
from pathlib import Path

from tangent.jobs.errors import UserError
from tangent.jobs.files import cannot_write


def open_shared(path: Path, flags: int = os.O_RDWR, mode: int | None = None) -> int:
    """Open a file, or make an empty one, in a folder that others may write too.

    Args:
        path: the file's.
        flags: of `os.open`.
        mode: its permissions; by default the folder's: who may write there may write it, and nobody
            else.

    Returns:
        Its descriptor. It is a regular file of one name: nobody has put a link there to one
        elsewhere.

    Raises:
        UserError: it cannot be made or opened, or is none.
    """
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe is opened without waiting
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, flags)
        except FileNotFoundError:  # another process may make it just now
            descriptor = os.open(path, flags | os.O_CREAT, 0o600)
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            if found.st_uid == os.getuid():
                os.fchmod(descriptor, mode or path.parent.stat().st_mode & 0o666)
            return descriptor
        os.close(descriptor)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise cannot_write(path, error) from error
    raise UserError(f"{path} is a link, or no regular file: see who put it there, and delete it.")
