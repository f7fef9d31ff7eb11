"""The start of a run, its signals and its locks, through Snakemake; no cluster is needed."""

import fcntl
import os
import signal
import subprocess
import sys
import time

import pytest
import yaml
from workspace import ROOT, Workspace

# A step that needs a helper (a compiler, a container's file system) until it has saved.
STEP = """
import signal, subprocess, time

def save(*_):
    time.sleep(1)
    print("saved" if helper.poll() is None else "the helper is gone", flush=True)
    helper.kill()
    exit(143)

signal.signal(signal.SIGTERM, save)
helper = subprocess.Popen(["sleep", "60"])
print("begun", flush=True)
time.sleep(60)
"""
# What Snakemake is under Slurm: it handles SIGTERM itself, and waits for the shell of its job.
WAITING = """
import signal, subprocess, sys

exec(sys.argv[1])
kept = pass_on_termination()
signal.signal(signal.SIGTERM, lambda *_: None)
sys.exit(subprocess.run(["bash", "-c", f"{sys.executable} -m scripts.step; exit $?"]).returncode)
"""


def test_sigterm_reaches_the_step_and_nothing_that_it_needs(tmp_path):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "__init__.py").touch()
    (tmp_path / "scripts" / "step.py").write_text(STEP)
    functions = (ROOT / "rules" / "cluster.smk").read_text("utf-8")
    functions = functions.partition("if workflow.remote_exec")[0]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING, functions],
        cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "begun\n"
    process.terminate()
    assert process.communicate(timeout=60)[0] == "saved\n"
    assert process.returncode == 143


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace.create(tmp_path / "study")
    config = yaml.safe_load((workspace.folder / "config.yaml").read_text("utf-8"))
    config["compute"]["device"] = "cpu"
    folder = workspace.folder / config["pretrained"]["demo-vit"]["folder"]
    folder.mkdir(parents=True)
    for name in ("model.safetensors", "open_clip_config.json"):
        (folder / name).write_text("")
    workspace.write("config.yaml", config)
    return workspace


def test_jobs_that_a_killed_snakemake_left_stop_the_same_study_alone(workspace, tmp_path):
    """Slurm's commands are stand-ins: this `sbatch` takes its time, this `squeue` knows one job."""
    commands = tmp_path / "commands"
    commands.mkdir()

    def stand_in(command, script):
        (commands / command).write_text(f"#!/bin/sh\n{script}\n")
        (commands / command).chmod(0o755)

    stand_in("scontrol", "exit 1")
    stand_in("sbatch", "sleep 60")
    workspace.write("profiles/slurm/site.yaml", {"seconds_between_checks": 1})
    path = f"{commands}:{workspace.path}"
    slurm = Workspace(workspace.folder, ("--profile", "slurm", "--retries", "0"), path)
    note = workspace.folder / "results" / "demo" / ".slurm"
    target = "results/demo/config.yaml"
    killed = slurm.start(target)
    try:
        deadline = time.monotonic() + 60
        while not note.exists():
            assert killed.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        os.killpg(killed.pid, signal.SIGKILL)
        killed.communicate()
    assert note.read_text().startswith("tangent_")

    stand_in("squeue", f'case "$*" in *--name={note.read_text()}*) echo 17;; esac')
    refused = slurm.snakemake(target, fails=True)
    assert "an earlier Snakemake submitted for this study: 17." in refused
    assert "scancel 17" in refused and "Traceback" not in refused and note.exists()
    # A job of the login node's: this run needs no Slurm.
    source = "resources/sources/shapes.json"
    slurm.snakemake(source, "--config", "study=other")
    stand_in("squeue", "echo no answer >&2; exit 1")
    unknown = slurm.snakemake("-F", source, fails=True)
    assert "no answer. Try again later; if there are none, delete results/demo/.slurm" in unknown


def test_a_failed_job_does_not_keep_others_from_the_shared_folder(workspace):
    """With --keep-going a run may go on for days."""
    workspace.replace(
        "scripts/locate_dataset.py", "def run(", "def run(none):\n    1 / 0\n\n\ndef _("
    )
    wait = "    import time\n\n    while not Path('go-on').exists():\n        time.sleep(0.1)\n"
    workspace.replace(
        "scripts/resolved_config.py", "def run(arguments: Arguments) -> None:\n",
        f"def run(arguments: Arguments) -> None:\n{wait}",
    )  # fmt: skip
    targets = ("resources/datasets/32px/shapes/dataset.json", "results/demo/config.yaml")
    process = workspace.start("--keep-going", *targets)
    preparing = workspace.folder / "resources" / ".preparing"
    try:
        deadline = time.monotonic() + 60
        while not is_free(preparing):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        (workspace.folder / "go-on").touch()
        output = process.communicate()[0]
    assert "1 of 3 steps" in output, output


def test_snakemake_looks_for_jobs_no_more_often_than_jobs_finish(workspace):
    """Not once a second for each job that has finished, which takes a core after some hundred."""
    tasks = yaml.safe_load((workspace.folder / "config.yaml").read_text("utf-8"))["datasets"]
    targets = [f"resources/sources/{task}.json" for task in tasks]
    output = workspace.snakemake("--cores", "1", "--verbose", *targets)
    assert output.count("Ready jobs: ") <= len(targets) + 1, output


def is_free(path):
    """Whether a file was locked, and is not any more."""
    if not path.exists() or path.stat().st_size == 0:
        return False
    with open(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
