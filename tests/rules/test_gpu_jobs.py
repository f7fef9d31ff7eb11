"""On a machine with several GPUs: as many GPU jobs at a time, each on a GPU of its own."""

import json
import os
import subprocess
import sys

import pytest
from fake_driver import UUIDS, install_nvidia_smi
from workspace import Workspace

# The workflow's own rules/common.smk, and jobs that take a GPU and write down when they had which.
SNAKEFILE = """
configfile: "config.yaml"
include: "rules/common.smk"

rule all:
    input: expand("job{number}.json", number=range(4))

rule job:
    output: "job{number}.json"
    params: device=DEVICE_NAME
    resources: gpu=int(DEVICE_NAME == "cuda")
    shell: "python job.py {output}"
"""
JOB = """
import json, os, sys, time
from tangent.jobs.gpus import lease
lease()
started = time.time()
time.sleep(0.3)
spent = {"gpu": os.environ["CUDA_VISIBLE_DEVICES"], "start": started, "end": time.time()}
open(sys.argv[1], "w").write(json.dumps(spent))
"""
# An executor that sends jobs to other machines, as Snakemake's plugin for Slurm does.
EXECUTOR = """
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings

common_settings = CommonSettings(
    non_local_exec=True, implies_no_shared_fs=False, job_deploy_sources=False
)

class Executor(RemoteExecutor):
    pass
"""


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace.create(tmp_path / "study")
    workspace.write("cuda.yaml", {"compute": {"device": "cuda"}})
    workspace.write("auto.yaml", {"compute": {"device": "auto"}})
    (workspace.folder / "gpus.smk").write_text(SNAKEFILE)
    (workspace.folder / "job.py").write_text(JOB)
    plugin = workspace.folder / "snakemake_executor_plugin_elsewhere"
    plugin.mkdir()
    (plugin / "__init__.py").write_text(EXECUTOR)
    return workspace


def snakemake(workspace, *arguments, gpus, config="cuda.yaml", **environment):
    """Exit status and output on a machine whose driver lists so many GPUs."""
    folder = workspace.folder
    path = f"{install_nvidia_smi(folder / 'bin', gpus)}:/usr/local/bin:/usr/bin:/bin"
    variables = {"PATH": path, "TMPDIR": str(folder), "PYTHONPATH": str(folder), **environment}
    command = [sys.executable, "-m", "snakemake", "-s", "gpus.smk", *arguments]
    inherited = {name: os.environ[name] for name in ("HOME", "USER") if name in os.environ}
    done = subprocess.run(
        [*command, "--configfile", config],
        cwd=folder,
        env=inherited | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def jobs_of(workspace):
    jobs = [json.loads(path.read_text()) for path in workspace.folder.glob("job*.json")]
    assert len(jobs) == 4
    return jobs


def at_once(jobs):
    """The largest number of jobs that ran at a time."""
    return max(sum(other["start"] <= job["start"] < other["end"] for other in jobs) for job in jobs)


def test_no_two_jobs_share_a_gpu(workspace):
    status, output = snakemake(workspace, "--cores", "4", gpus=2)
    assert status == 0, output
    jobs = jobs_of(workspace)
    for gpu in UUIDS[:2]:
        assert at_once([job for job in jobs if job["gpu"] == gpu]) == 1
    assert at_once(jobs) == 2 and {job["gpu"] for job in jobs} == set(UUIDS[:2])


def test_a_number_of_gpus_that_a_person_gives_wins(workspace):
    status, output = snakemake(workspace, "--cores", "4", "--resources", "gpu=1", gpus=2)
    assert status == 0, output
    assert at_once(jobs_of(workspace)) == 1


def test_visible_devices_limit_the_jobs(workspace):
    visible = {"CUDA_VISIBLE_DEVICES": "3"}
    status, output = snakemake(workspace, "--cores", "4", gpus=4, **visible)
    assert status == 0, output
    jobs = jobs_of(workspace)
    assert at_once(jobs) == 1 and {job["gpu"] for job in jobs} == {"3"}


def test_a_cluster_has_no_limit_of_this_machine(workspace):
    elsewhere = ("-n", "--executor", "elsewhere", "--jobs", "5")
    status, output = snakemake(workspace, *elsewhere, gpus=2)
    assert status == 0 and "gpu=1" in output and "gpu=2" not in output, output


def test_auto_is_refused_where_the_jobs_run_on_other_machines(workspace):
    elsewhere = ("-n", "--executor", "elsewhere", "--jobs", "5")
    status, output = snakemake(workspace, *elsewhere, gpus=2, config="auto.yaml")
    assert status != 0 and "set compute.device to cuda or cpu" in output, output
    assert "Traceback" not in output


def test_auto_becomes_a_device_before_jobs_are_made(workspace):
    import torch

    status, output = snakemake(workspace, "-n", "--cores", "1", gpus=0, config="auto.yaml")
    assert status == 0 and "gpu=1" not in output, output
    arguments = (workspace, "-n", "--cores", "1")
    status, output = snakemake(*arguments, gpus=2, config="auto.yaml")
    if torch.cuda.is_available():
        assert status == 0 and "gpu=1" in output, output
    else:
        assert status != 0 and "Traceback" not in output, output
        assert "error: nvidia-smi lists a GPU that torch cannot use" in output
    # Whoever wants the CPU there says so.
    hidden = {"CUDA_VISIBLE_DEVICES": ""}
    status, output = snakemake(*arguments, gpus=2, config="auto.yaml", **hidden)
    assert status == 0 and "gpu=1" not in output, output
