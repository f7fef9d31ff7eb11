"""A folder that others write to: they lock and write there, and reach nothing outside it.

Who may not write the folder can do nothing; who may cannot touch other files of another user, nor
end another user's jobs. The races run as two users, which takes root.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import random
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from tangent.jobs import files, gpus, run_lock
from tangent.jobs.errors import UserError
from tangent.jobs.progress import start_logging
from tangent.jobs.run_lock import Holder, Lock
from tangent.jobs.shared_files import open_shared

VICTIM, ATTACKER, GROUP = 12001, 12002, 12000
SECRET = "a private text of more than four hundred characters " * 10
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="two users take root")
fork = multiprocessing.get_context("fork")


@pytest.fixture
def private(tmp_path):
    """A file that only its owner may read, which no test may change."""
    path = tmp_path / "private.txt"
    path.write_text(SECRET)
    path.chmod(0o600)
    yield path
    assert path.read_text() == SECRET
    assert path.stat().st_mode & 0o777 == 0o600


def planted(path: Path, private: Path) -> dict[str, Callable[[], object]]:
    """What others may put where a lock or a log is to be."""
    return {
        "link": lambda: path.symlink_to(private),
        "relative link": lambda: path.symlink_to(Path("..") / private.name),
        "hard link": lambda: path.hardlink_to(private),
        "link to nothing": lambda: path.symlink_to(path.parent / "nothing"),
        "link to a device": lambda: path.symlink_to("/dev/zero"),
        "link to itself": lambda: path.symlink_to(path),
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
    }


@pytest.mark.parametrize("kind", planted(Path(), Path()))
@pytest.mark.parametrize("name", [run_lock.RUN_FILE, run_lock.JOBS_FILE, "private token"])
def test_a_run_opens_no_lock_that_is_something_else(kind, name, tmp_path, private):
    study = tmp_path / "study"
    study.mkdir()
    path = study / name if name.startswith(".") else run_lock.present_run(study)
    planted(path, private)[kind]()
    with pytest.raises(UserError, match=r"delete it|cannot write") as raised:
        run_lock.begin_run(study)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", planted(Path(), Path()))
def test_a_log_that_is_something_else_is_given_up(kind, tmp_path, private, capsys):
    (tmp_path / "logs").mkdir()
    path = tmp_path / "logs" / "x.log"
    planted(path, private)[kind]()
    start_logging(path)
    logging.getLogger("tangent").info("the work goes on")
    logging.getLogger("tangent").handlers.clear()
    complaint, line = sorted(capsys.readouterr().err.splitlines(), key=lambda text: "work" in text)
    assert str(path) in complaint
    assert line == "the work goes on"
    assert not (path.parent / "nothing").exists()


def test_files_of_locks_and_logs_have_the_folders_permissions_and_never_more(tmp_path):
    mode = 0o700 | random.getrandbits(6)
    tmp_path.chmod(mode)
    lock = Lock(tmp_path / "lock", Holder.this_process())
    assert (tmp_path / "lock").stat().st_mode & 0o777 == mode & 0o666
    lock.release()
    (tmp_path / "lock").chmod(0o666)  # as it was made once
    Lock(tmp_path / "lock", Holder.this_process()).release()
    assert (tmp_path / "lock").stat().st_mode & 0o777 == mode & 0o666
    run, _ = run_lock.begin_run(tmp_path)
    assert run_lock.present_run(tmp_path).stat().st_mode & 0o777 == 0o600
    run.release()


@pytest.mark.parametrize("kind", ["another's", "open to others", "link"])
def test_gpus_are_not_reserved_in_a_folder_of_others(kind, tmp_path):
    folder = tmp_path / "locks"
    if kind == "link":
        (tmp_path / "elsewhere").mkdir()
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.mkdir(mode=0o700)
        folder.chmod(0o722 if kind == "open to others" else 0o700)
    if kind == "another's":
        if os.getuid():
            pytest.skip("only root can make a folder another's")
        os.chown(folder, ATTACKER, -1)
    with pytest.raises(UserError, match=r"cannot lock .*locks.*TMPDIR"):
        gpus._locked(folder, "GPU-1")
    assert not list(folder.iterdir())


def test_a_token_counts_only_in_ones_own_file_of_this_folder_and_of_a_later_run(tmp_path):
    study, other = tmp_path / "study", tmp_path / "other"
    first, me = run_lock.begin_run(study)
    first.release()
    own = run_lock.present_run(study)
    older = own.read_text()
    second, later = run_lock.begin_run(study)
    second.release()
    assert run_lock._later_run(study, me.token).token == later.token
    assert run_lock._later_run(study, later.token) is None
    newer = own.read_text()

    own.write_text(older)  # an older file, put back
    assert run_lock._later_run(study, later.token) is None
    lock, _ = run_lock.begin_run(other)
    lock.release()
    shutil.copy(run_lock.present_run(other), own)  # that of another folder
    own.chmod(0o600)
    assert run_lock._later_run(study, me.token) is None
    own.write_text(newer)
    own.chmod(0o620)  # somebody else may have written it
    assert run_lock._later_run(study, me.token) is None
    own.chmod(0o600)
    assert run_lock._later_run(study, me.token).token == later.token
    for text in ("", "[]", "{}", "null", newer.strip()[:-5], json.dumps(asdict(later))):
        own.write_text(text)
        assert run_lock._later_run(study, me.token) is None
    own.unlink()
    os.mkfifo(own)
    assert run_lock._later_run(study, me.token) is None


def as_user(user: int, run: Callable[..., None], *arguments: object) -> multiprocessing.Process:
    """A process of another user of the group, started."""

    def become() -> None:
        os.setgroups([GROUP])
        os.setgid(GROUP)
        os.setuid(user)
        os.umask(0o002)
        run(*arguments)

    process = fork.Process(target=become, daemon=True)
    process.start()
    return process


@pytest.fixture
def shared():
    """A folder of the group, beside a private file of the victim."""
    with tempfile.TemporaryDirectory() as name:
        top, folder = Path(name), Path(name, "shared")
        top.chmod(0o755)
        folder.mkdir()
        os.chown(folder, VICTIM, GROUP)
        folder.chmod(0o2775)
        private = top / "private"
        private.write_text(SECRET)
        os.chown(private, VICTIM, GROUP)
        private.chmod(0o600)
        yield folder
        assert private.read_text() == SECRET
        assert private.stat().st_mode & 0o777 == 0o600


def put_links(folder: Path, until: float) -> None:
    """Put links to the private file in the place of all that appears, and of what it is in."""
    private, number = folder.parent / "private", 0
    while time.time() < until:
        for found in list(folder.iterdir()):
            number += 1
            with suppress(OSError):
                is_folder = stat.S_ISDIR(found.lstat().st_mode)
                found.rename(folder.parent / "shared" / f"moved{number}")
                if is_folder:
                    found.mkdir()
                    (found / found.name.lstrip(".").split(".")[0]).symlink_to(private)
                else:
                    found.symlink_to(private)
            if number % 7 == 0:
                for path in folder.iterdir():
                    with suppress(OSError):
                        shutil.rmtree(path) if path.is_dir() else path.unlink()


def write_on(folder: Path, until: float) -> None:
    """Write results and locks, whatever becomes of them."""
    while time.time() < until:
        with suppress(UserError):
            files.write_json(folder / "result", {"a": list(range(50))})
        with suppress(UserError):
            files.write_safetensors(folder / "weights", {"a": np.ones(50)})
        with suppress(UserError, run_lock.Busy):
            Lock(folder / run_lock.SHARED_FILE, Holder.this_process()).release()
        with suppress(UserError):
            os.close(open_shared(folder / "log", os.O_WRONLY | os.O_APPEND))


@needs_root
def test_links_put_there_while_another_user_writes_reach_nothing_outside(shared):
    assert safetensors.numpy  # imported while the files of Python can be read
    until = time.time() + 4
    processes = [as_user(VICTIM, write_on, shared, until) for _ in range(2)]
    processes += [as_user(ATTACKER, put_links, shared, until) for _ in range(2)]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0


def live(folder: Path, token: str) -> None:
    os.environ |= {run_lock.FOLDER_VARIABLE: str(folder), run_lock.TOKEN_VARIABLE: token}
    run_lock.join_run()
    time.sleep(60)


def begin(folder: Path) -> None:
    run_lock.begin_run(folder)[0].release()


@needs_root
def test_a_run_ends_jobs_of_its_own_user_alone(shared, monkeypatch):
    monkeypatch.setattr(run_lock, "_SECONDS_BETWEEN_LOOKS", 0.05)
    before = as_user(VICTIM, begin, shared)
    before.join()
    own = next(shared.glob(f"{run_lock.RUN_FILE}.*"))
    job = as_user(VICTIM, live, shared, json.loads(own.read_text())["token"])
    time.sleep(0.5)
    waiting = as_user(ATTACKER, begin, shared)  # waits for the job, and does not end it

    def forge() -> None:
        token = {**asdict(Holder.this_process()), "folder": shared.stat().st_ino}
        for name in (own.name, run_lock.RUN_FILE):
            (shared / name).rename(shared / f"moved{name}")
            (shared / name).write_text(json.dumps(token))
            (shared / name).chmod(0o600)

    forger = as_user(ATTACKER, forge)
    forger.join()
    time.sleep(1)
    assert forger.exitcode == 0
    assert job.is_alive() and waiting.is_alive()
    for path in shared.glob(".run*"):
        path.unlink()
    ending = as_user(VICTIM, begin, shared)
    for process in (job, waiting, ending):
        process.join(20)
    assert job.exitcode < 0
    assert waiting.exitcode == ending.exitcode == 0
