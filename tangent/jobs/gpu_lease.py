"""One job per GPU: a job takes a lock per GPU before CUDA starts, and keeps it while it lives.

Snakemake counts GPUs but does not say which of them a job may use. The locks are those of the
operating system (`flock`), which drops them however a process ends. What a process starts by
`os.exec` keeps them.
"""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tangent.jobs.errors import UserError
from tangent.jobs.gpus import Gpu, visible_gpus

logger = logging.getLogger("tangent")

_SECONDS_BETWEEN_TRIES = 1.0
_held = ExitStack()  # files of the locks, open until the process ends


def lease(count: int = 1) -> list[str]:
    """Reserve `count` free GPUs for this process and its children; waits until they are free.

    From then on CUDA_VISIBLE_DEVICES names these alone, so this comes before CUDA starts. Nothing
    is reserved where no GPU is listed, or where CUDA_VISIBLE_DEVICES names just the GPUs that are
    needed: who started the job (a cluster's scheduler, a launcher, a person) chose them.

    Returns:
        The names of the GPUs for CUDA_VISIBLE_DEVICES; empty if nothing was reserved.

    Raises:
        UserError: there are fewer GPUs, or the folder of the locks cannot be used.
    """
    gpus = visible_gpus()
    if not gpus or ("CUDA_VISIBLE_DEVICES" in os.environ and len(gpus) == count):
        return []
    if len(gpus) < count:
        raise UserError(
            f"the job needs {count} GPUs, but there are {len(gpus)} here: lower "
            "finetuning.models.<model>.processes, or name more GPUs in CUDA_VISIBLE_DEVICES."
        )
    folder = _folder()
    is_waiting = False
    while True:
        taken = _try(gpus, count, folder)
        if taken:
            names = [gpu.name for gpu in taken]
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(names)
            return names
        if not is_waiting:
            logger.info("other jobs hold the GPUs: waiting for %d of %d", count, len(gpus))
            is_waiting = True
        time.sleep(_SECONDS_BETWEEN_TRIES)


def _try(gpus: list[Gpu], count: int, folder: Path) -> list[Gpu]:
    """Lock `count` GPUs, or none of them: two jobs never wait for each other's."""
    taken = []
    with ExitStack() as files:
        for gpu in gpus:
            descriptor = _locked(folder / gpu.identity)
            if descriptor is not None:
                files.callback(os.close, descriptor)
                taken.append(gpu)
            if len(taken) == count:
                _held.push(files.pop_all())
                return taken
    return []


def _locked(path: Path) -> int | None:
    """The descriptor of the file, locked; None if another process holds the lock."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Systems clear old files out of /tmp, and a lock on a deleted file keeps nobody out.
        os.utime(descriptor)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError as error:
        raise UserError(
            f"cannot lock {path} to reserve a GPU: {error.strerror or error}. Choose another "
            "folder of this machine with TMPDIR."
        ) from error
    os.set_inheritable(descriptor, True)
    return descriptor


def _folder() -> Path:
    """A folder of this user on this machine."""
    folder = Path(tempfile.gettempdir()) / f"tangent-gpus-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot make {folder} for the locks of GPUs: {error.strerror or error}. Choose "
            "another folder of this machine with TMPDIR."
        ) from error
    return folder
