"""Locks: one run at a time writes a study's results, and one at a time makes what studies share.

A lock is the operating system's (`flock`), which drops it however a process ends, and reaches
other machines where the file system's locks do (NFS on Linux). Where it has no locks, a run goes on
without. The locked file says who holds it.

Snakemake that is killed alone leaves its jobs behind. A later run waits until they are gone; if it
is the same user's, it ends them by its token in a file that nobody else can write, and that tells
when and for which folder: whoever may write the folder may move an older one there.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import logging
import os
import platform
import signal
import threading
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from tangent.jobs.errors import UserError
from tangent.jobs.files import cannot_write
from tangent.jobs.shared_files import open_shared

logger = logging.getLogger("tangent")

RUN_FILE, JOBS_FILE, SHARED_FILE = ".run", ".jobs", ".preparing"
FOLDER_VARIABLE, TOKEN_VARIABLE = "TANGENT_RUN_FOLDER", "TANGENT_RUN_TOKEN"
_SECONDS_BETWEEN_LOOKS = 1.0
_held: list[int] = []  # descriptors, open until the process ends


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    Attributes:
        token: names the run; that of one that began later comes later in the alphabet.
        host, pid, user: its process.
        since: when it began, local time.
    """

    token: str
    host: str
    pid: int
    user: str
    since: str

    @classmethod
    def this_process(cls) -> Holder:
        """This process, under a new token."""
        try:
            user = getpass.getuser()
        except (KeyError, OSError):  # a container's user may have no name
            user = str(os.getuid())
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        token = f"{time.time_ns():020d}-{uuid.uuid4().hex}"
        return cls(token, platform.node(), os.getpid(), user, since)

    @classmethod
    def read(cls, path: Path) -> Holder | None:
        """The one that a file names; None if it names none, or is just being written."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def __str__(self) -> str:
        return f"process {self.pid} of {self.user} on {self.host}, since {self.since}"


class Busy(Exception):
    """Another process has the lock; the message says who, as far as the file does."""


class Lock:
    """An exclusive lock on a file, until `release` or the end of this process.

    Attributes:
        before: who held it before and did not release it: that one was killed.

    Raises:
        Busy: another process has it.
        UserError: the file cannot be made.
    """

    def __init__(self, path: Path, me: Holder) -> None:
        self._path, self._descriptor = path, open_shared(path)
        if not _flock(self._descriptor, fcntl.LOCK_EX):
            os.close(self._descriptor)
            raise Busy(Holder.read(path) or "a process that has not said who it is")
        self.before = Holder.read(path)
        _write(path, self._descriptor, json.dumps(asdict(me)))

    def release(self) -> None:
        """Leave an empty file and drop the lock."""
        _write(self._path, self._descriptor, "")
        os.close(self._descriptor)


def _write(path: Path, descriptor: int, text: str) -> None:
    try:
        # Over the old text, and no shorter in between: readers may look at any moment.
        os.pwrite(descriptor, text.ljust(400).encode(), 0)
        # NFS may keep it on this machine for half a minute.
        os.fsync(descriptor)
    except OSError as error:
        raise cannot_write(path, error) from error


def begin_run(folder: Path) -> tuple[Lock, Holder]:
    """Take a study's folder for this run, and wait until no job of an earlier one is alive.

    Jobs that this process starts from then on know their run.

    Returns:
        the lock, and what it says of this process.

    Raises:
        UserError: another run has the folder, or it cannot be written.
    """
    me = Holder.this_process()
    try:
        lock = Lock(folder / RUN_FILE, me)
    except Busy as busy:
        raise UserError(
            f"another run is writing {folder}: {busy}. Wait until it has ended, or end it; or give "
            "this study a name of its own (config key study)."
        ) from busy
    if lock.before and lock.before.host != me.host:
        logger.warning(
            "the last run in %s did not end properly (%s). If it is alive and this file system's "
            "locks do not reach that machine, stop it now.", folder, lock.before
        )  # fmt: skip
    _end_older_jobs(folder, me)
    _wait_for_jobs(folder)
    os.environ.update({FOLDER_VARIABLE: str(folder.absolute()), TOKEN_VARIABLE: me.token})
    return lock, me


def _end_older_jobs(folder: Path, me: Holder) -> None:
    """Say in a file of this user's alone which run is the present one."""
    path = present_run(folder)
    descriptor = open_shared(path, mode=0o600)
    _write(path, descriptor, json.dumps({**asdict(me), "folder": folder.stat().st_ino}))
    os.close(descriptor)


def present_run(folder: Path) -> Path:
    """The file of this user's alone that names the run whose jobs may live."""
    return folder / f"{RUN_FILE}.{os.getuid()}"


def _later_run(folder: Path, token: str) -> Holder | None:
    """A run of this user in the folder that began after the one of the token."""
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        path, flags = present_run(folder), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        with open(os.open(path, flags), encoding="utf-8") as file:
            found, content = os.fstat(file.fileno()), json.load(file)
        is_private = found.st_uid == os.getuid() and not found.st_mode & 0o077
        if is_private and content.pop("folder", None) == folder.stat().st_ino:
            holder = Holder(**content)
            return holder if holder.token > token else None
    return None


def _wait_for_jobs(folder: Path) -> None:
    descriptor = open_shared(folder / JOBS_FILE)
    is_told = False
    while not _flock(descriptor, fcntl.LOCK_EX):
        if not is_told:
            logger.warning(
                "jobs of an earlier run in %s are alive: waiting for their end (if there are none, "
                "delete its file %s and start again)", folder, JOBS_FILE
            )  # fmt: skip
            is_told = True
        time.sleep(_SECONDS_BETWEEN_LOOKS / 4)
    os.close(descriptor)


def join_run() -> None:
    """Make this process a job of the run that started it, if one did.

    It gets SIGTERM when a later run of this user has taken the study's folder.
    """
    folder, token = os.environ.get(FOLDER_VARIABLE), os.environ.get(TOKEN_VARIABLE)
    if not folder or not token:
        return
    try:
        descriptor = os.open(Path(folder) / JOBS_FILE, os.O_RDWR)
    except OSError:
        return  # the folder is gone, or another user's: the results are not written there either
    _flock(descriptor, fcntl.LOCK_SH)
    _held.append(descriptor)
    threading.Thread(target=_watch, args=(Path(folder), token), daemon=True).start()


def _watch(folder: Path, token: str) -> None:
    while True:
        if holder := _later_run(folder, token):
            logger.warning("this job's run is over and another has begun (%s): ending", holder)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _flock(descriptor: int, kind: int) -> bool:
    """Whether the lock is had, or the file system has no locks."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        logger.info("no locks in this file system (%s): two runs at once go unnoticed", error)
    return True
