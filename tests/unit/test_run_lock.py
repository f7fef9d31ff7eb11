"""One run at a time in a folder; jobs that outlive their run end when another begins."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from tangent.jobs import run_lock
from tangent.jobs.errors import UserError
from tangent.jobs.run_lock import Holder

ROOT = Path(__file__).parents[2]
# Takes a folder as a run, says so, and starts a job that says so; lives until it is killed.
RUN = """
import subprocess, sys, time
from pathlib import Path
from tangent.jobs.run_lock import begin_run

begin_run(Path(sys.argv[1]))
print("begun", flush=True)
if len(sys.argv) > 2:
    subprocess.Popen([sys.executable, "-c", sys.argv[2]])
time.sleep(600)
"""
JOB = """
import time
from tangent.jobs.run_lock import join_run

join_run()
print("joined", flush=True)
time.sleep(600)
"""
STUBBORN = JOB.replace("join_run()\nprint", "import signal\nsignal.signal(15, lambda *_: "
    "(time.sleep(2), print('saved', flush=True), exit()))\njoin_run()\nprint", 1)  # fmt: skip


@pytest.fixture
def start(tmp_path):
    """Starts a run in the folder `study`; returns the process once it has begun."""
    started = []

    def begin(*arguments: str, lines: int = 1) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(tmp_path / "study"), *arguments],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
        started.append(process)
        for _ in range(lines):
            assert process.stdout.readline(), process.stderr.read()
        return process

    yield begin
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture(autouse=True)
def _restore(monkeypatch):
    for name in (run_lock.FOLDER_VARIABLE, run_lock.TOKEN_VARIABLE):
        monkeypatch.setenv(name, "")


def test_a_second_run_is_refused_and_told_who_has_the_folder(start, tmp_path):
    first = start()
    with pytest.raises(UserError, match=rf"another run is writing .*study: process {first.pid} "):
        run_lock.begin_run(tmp_path / "study")
    assert Holder.read(tmp_path / "study" / run_lock.RUN_FILE).pid == first.pid


def test_a_killed_run_leaves_no_lock_and_an_ended_one_no_name(start, tmp_path):
    first = start()
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    lock, me = run_lock.begin_run(tmp_path / "study")
    assert lock.before.pid == first.pid and me.pid == os.getpid()
    lock.release()
    assert Holder.read(tmp_path / "study" / run_lock.RUN_FILE) is None
    lock, _ = run_lock.begin_run(tmp_path / "study")
    assert lock.before is None
    lock.release()


@pytest.mark.parametrize("job", [JOB, STUBBORN], ids=["ends at once", "saves its state"])
def test_a_job_that_outlives_its_run_ends_before_the_next_goes_on(job, start, tmp_path):
    first = start(job, lines=2)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    started = time.monotonic()
    lock, _ = run_lock.begin_run(tmp_path / "study")
    taken = time.monotonic() - started
    output, messages = first.communicate(timeout=5)  # the pipes are closed: the job is gone
    assert "this job's run is over and another has begun" in messages
    assert ("saved" in output) == (job is STUBBORN)
    assert taken > 2 or job is JOB
    lock.release()


def test_a_job_of_the_present_run_lives(start, tmp_path):
    first = start(JOB, lines=2)
    time.sleep(2.5)
    with pytest.raises(subprocess.TimeoutExpired):
        first.communicate(timeout=0.1)


def test_a_run_that_another_machine_left_is_named(tmp_path, caplog):
    other = Holder("a token", "another-node", 7, "ada", "2026-01-01 00:00:00")
    (tmp_path / run_lock.RUN_FILE).write_text(json.dumps(asdict(other)).ljust(400))
    lock, _ = run_lock.begin_run(tmp_path)
    assert "process 7 of ada on another-node" in caplog.text
    lock.release()


def test_without_locks_of_the_file_system_a_run_goes_on(tmp_path, monkeypatch):
    def no_locks(descriptor: int, kind: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(run_lock.fcntl, "flock", no_locks)
    lock, _ = run_lock.begin_run(tmp_path)
    lock.release()


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*paths\.results"):
        run_lock.begin_run(tmp_path / "file" / "study")


def test_the_name_is_on_the_disk_before_a_job_can_start(tmp_path, monkeypatch):
    """A job on another machine that still read the last run's name would end itself."""
    on_disk = []

    def fsync(descriptor: int) -> None:
        real_fsync(descriptor)
        on_disk.append(os.pread(descriptor, 400, 0).decode())

    real_fsync = os.fsync
    monkeypatch.setattr(run_lock.os, "fsync", fsync)
    lock, me = run_lock.begin_run(tmp_path)
    assert me.token in on_disk[-1]
    lock.release()
    assert on_disk[-1].strip() == ""
