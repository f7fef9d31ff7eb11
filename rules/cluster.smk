"""What jobs on other machines need: what they ask a scheduler for, how they are stopped; no rules."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading

import psutil


def runs_elsewhere():
    """Whether an executor sends jobs to other machines: only then Snakemake counts nodes."""
    return workflow.resource_settings.nodes is not None


def refuse_jobs_of_an_earlier_run():
    """End this Snakemake if jobs that another one submitted from this folder are in Slurm's queue.

    A Snakemake that is killed leaves its jobs there, and the next one would submit them again.
    """
    if not shutil.which("squeue"):
        return  # another scheduler's executor
    answer = subprocess.run(
        ["squeue", "--me", "--noheader", "--format=%i %j %Z"],
        capture_output=True,
        text=True,
    )
    # The executor names jobs after its run, by a UUID; other jobs may have started from here too.
    of_a_run = re.compile(r"(\d+) \S*[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12} (.*)")
    found = filter(None, map(of_a_run.fullmatch, answer.stdout.splitlines()))
    jobs = [match[1] for match in found if match[2] == os.getcwd()]
    if jobs:
        jobs = " ".join(jobs)
        sys.exit(
            f"Slurm's queue holds jobs that an earlier Snakemake submitted from here: {jobs}. Wait"
            f" until they have ended, or end them: scancel {jobs}"
        )


def requeue_if_preempted():
    """Have Slurm start this job again if it takes the job's resources for another one.

    It does so by itself where the job goes on for its whole grace time. One that saves its state
    and ends counts as failed, and after some failures Snakemake gives up.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        return
    options = {"capture_output": True, "text": True, "timeout": 5}
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        shown = subprocess.run(["scontrol", "show", "job", job], **options).stdout
        if re.search(r"\bPreemptTime=\d", shown):
            subprocess.run(["scontrol", "requeue", job], **options)


def pass_on_termination():
    """Pass SIGTERM on to the job's commands.

    A scheduler that ends a job (time limit, preemption) may signal its own child alone. Under Slurm
    that is this Snakemake, which then waits for the command: a fine-tuning would not save its state.
    Snakemake installs a handler of its own later; Python writes the numbers of the signals that it
    handles to the wake-up descriptor in addition.
    """
    received, written = socket.socketpair()
    written.setblocking(False)
    signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)
    # A shell would die of it, and with it the job, before the command has saved; srun kills the job.
    waiting = {"bash", "sh", "srun"}

    def watch():
        while number := received.recv(1):
            if number[0] != signal.SIGTERM:
                continue
            requeue_if_preempted()
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    if process.name() not in waiting:
                        process.terminate()

    threading.Thread(target=watch, daemon=True, name="pass_on_termination").start()
    return written


def memory(megabytes, copies=0, of=()):
    """MB of main memory: for Python and its libraries, and for `copies` of the inputs named `of`.

    Those are files of weights, which are read; images are mapped and need not fit.
    """

    def of_job(wildcards, input, attempt):
        named = [getattr(input, name) for name in of]
        files = [[file] if isinstance(file, str) else file for file in named]
        size = sum(os.path.getsize(file) for group in files for file in group)
        return attempt * (megabytes + copies * (size >> 20))

    return of_job


def minutes(first):
    """Time limit. A fine-tuning goes on where the last attempt stopped; others start anew."""
    return lambda wildcards, attempt: attempt * first


if workflow.remote_exec:
    TERMINATION = pass_on_termination()
