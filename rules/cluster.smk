"""What jobs on other machines need: what they ask a scheduler for, how they are stopped; no rules."""

import atexit
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading

import psutil

from tangent.config.site import Site, read_site
from tangent.jobs.files import write_text


def refuse_jobs_of_an_earlier_run(note):
    """End this Snakemake if jobs that another one submitted for this study are in Slurm's queue.

    A Snakemake that is killed leaves its jobs there, and the next one would submit them again. What
    they are called is in the file `note`: jobs of other studies may come from the same folder.
    """
    if not note.exists():
        return
    command = ["squeue", "--noheader", "--format=%i", f"--name={note.read_text()}"]
    answer = subprocess.run(["env", *command], capture_output=True, text=True)
    if answer.returncode:
        sys.exit(
            "cannot ask Slurm for jobs of this study's last run, which was killed:"
            f" {answer.stderr.strip()}. Try again later; if there are none, delete {note}"
        )
    if jobs := " ".join(answer.stdout.split()):
        sys.exit(
            "Slurm's queue holds jobs that an earlier Snakemake submitted for this study:"
            f" {jobs}. Wait until they have ended, or end them: scancel {jobs}"
        )


def note_what_jobs_are_called(note, jobs):
    """Keep the name of this run's jobs until it ends: the executor's, all alike, no other run's."""
    for job in jobs:
        if name := getattr(workflow.scheduler.get_executor(job), "run_uuid", None):
            atexit.register(note.unlink, missing_ok=True)
            return write_text(note, name)


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
        # The time of an earlier preemption may still be shown.
        times = dict(re.findall(r"\b(StartTime|PreemptTime)=(\d\S+)", shown))
        if times.get("PreemptTime", "") >= times.get("StartTime", "9"):
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

    def watch():
        while number := received.recv(1):
            if number[0] != signal.SIGTERM:
                continue
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    # Not to shells, srun or a container's helpers, which the command needs until it
                    # has saved, nor to a compiler, whose end would be taken for an error.
                    if any(
                        re.match(r"scripts(\.|$)", word) for word in process.cmdline()
                    ):
                        process.terminate()
            requeue_if_preempted()

    threading.Thread(target=watch, daemon=True, name="pass_on_termination").start()
    return written


def memory(wildcards, input, attempt, rulename):
    """MB of main memory, by the cost of the rule's jobs; a retry asks for a multiple."""
    wildcards, size = dict(wildcards.items()), 1
    if not COSTS.knows(wildcards):
        weights = ("encoder.safetensors", "model.safetensors")
        size = max(
            (os.path.getsize(f) for f in input if f.endswith(weights)), default=1
        )
    # Looked up; images are mapped and need not fit.
    products = sum(map(os.path.getsize, input.get("products", [])))
    return attempt * COSTS.main_memory(rulename, wildcards, size, products)


def minutes(wildcards, attempt, rulename):
    """Time limit. A fine-tuning goes on where the last attempt stopped; others start anew."""
    return attempt * COSTS.minutes(rulename, dict(wildcards.items()))


def gpus(wildcards, rulename):
    """What a job asks a scheduler for."""
    processes = COSTS.processes_on_device(rulename, dict(wildcards.items()))
    return processes if DEVICE_NAME == "cuda" else 0


def partition(wildcards, rulename):
    """Where Slurm runs it."""
    given = SITE.defaults.get("slurm_partition", SITE.partitions.cpu)
    return SITE.partitions.gpu if gpus(wildcards, rulename) else given


def slots(wildcards, rulename):
    """Of jobs that share an entry of the queue, so many at a time; a GPU's takes all."""
    return SLOTS if gpus(wildcards, rulename) else 1


def site_of_cluster():
    """The site file of the shipped profile, if jobs go to a cluster by it."""
    file = "profiles/slurm/site.yaml"
    return read_site(file) if runs_elsewhere() and os.path.exists(file) else Site()


def check_groups(steps):
    """End Snakemake if jobs that share an entry of the queue are to run in different places."""
    groups = {}
    for step in filter(lambda step: step._group, steps):
        of_group = groups.setdefault(step._group, {})
        of_group[step.name] = SITE.rules.get(step.name, {})
    for of_group in groups.values():
        for name, key in [(name, key) for name in of_group for key in of_group[name]]:
            values = {resources.get(key) for resources in of_group.values()}
            if len(values) > 1 and isinstance(value := of_group[name][key], str):
                sys.exit(
                    f"profiles/slurm/site.yaml: rules.{name}.{key} is {value!r}, but its jobs share"
                    f" entries of the queue: give the same to all of {', '.join(of_group)}"
                )


if workflow.remote_exec:
    TERMINATION = pass_on_termination()
