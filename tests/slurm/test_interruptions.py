"""Whatever Slurm does to a fine-tuning, it ends with the bits of an uninterrupted one."""

import os
import random
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import yaml
from safetensors.torch import load_file
from small_study import MODEL, SEED
from studies import jobs_of, on_slurm
from workspace import Workspace

EPOCHS = 350  # a quarter of a minute of training where nothing else runs
TRAININGS = ("standard", "linear")
KINDS = ("cancelled", "requeued", "preempted", "out of time", "node lost", "node drained")
KINDS += ("snakemake killed",)


def encoder(training):
    return f"results/tiny/finetuned/{MODEL}/{training}/shapes/seed{SEED}/encoder.safetensors"


@pytest.fixture(scope="module")
def prepared(sources, tmp_path_factory):
    """A study of long fine-tunings; all before them is made, on this machine."""
    folder = tmp_path_factory.mktemp("prepared") / "study"
    shutil.copytree(sources.folder, folder, symlinks=True)
    study = Workspace(folder)
    config = yaml.safe_load((folder / "config.yaml").read_text("utf-8"))
    config["finetuning"]["epochs"]["shapes"] = EPOCHS
    study.write("config.yaml", config)
    study.snakemake(f"results/tiny/heads/{MODEL}/shapes/head.safetensors", "data")
    return study


@pytest.fixture(scope="module")
def uninterrupted(prepared, tmp_path_factory):
    """The weights of both trainings, made by the local executor."""
    folder = tmp_path_factory.mktemp("uninterrupted") / "study"
    shutil.copytree(prepared.folder, folder, symlinks=True)
    Workspace(folder).snakemake(*map(encoder, TRAININGS))
    return {training: load_file(folder / encoder(training)) for training in TRAININGS}


@dataclass(frozen=True)
class Outcome:
    training: str
    weights: dict
    log: str
    jobs: dict
    output: str


class Run:
    """A fine-tuning on the cluster that is interrupted."""

    def __init__(self, cluster, folder, training):
        self.cluster, self.folder, self.training = cluster, folder, training
        self.log = folder / f"results/tiny/logs/finetuned/{MODEL}/{training}/shapes/seed{SEED}.log"

    def interrupt(self, kind):
        """Start it, interrupt it while it trains, and wait for its end."""
        study = on_slurm(self.folder, **SITES.get(kind, {}))
        process = study.start(encoder(self.training))
        try:
            if kind != "out of time":
                self.wait_for_steps(process)
                time.sleep(random.uniform(0, 3))
                getattr(self, kind.replace(" ", "_"))(self.job())
            if kind == "snakemake killed":
                process = self.start_after_a_kill(process, study)
            output = process.communicate(timeout=900)[0]
        finally:
            process.kill()
        assert process.returncode == 0, output
        weights = load_file(self.folder / encoder(self.training))
        return Outcome(self.training, weights, self.log.read_text(), self.jobs(), output)

    def wait_for_steps(self, process):
        while not self.log.exists() or "steps, loss" not in self.log.read_text():
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.2)

    def snakemake_killed(self, job):
        """Only its process is killed; `start_after_a_kill` does the rest."""

    def start_after_a_kill(self, process, study):
        """Kill Snakemake alone: the next one names the job that it left, and submits none twice."""
        job = self.job()["JobId"]
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        refused = study.snakemake(encoder(self.training), fails=True)
        assert f"an earlier Snakemake submitted for this study: {job}." in refused
        assert f"scancel {job}" in refused and len(self.jobs()) == 1
        slurm("scancel", job)
        while subprocess.check_output(["squeue", "-h", "-j", job], text=True).strip():
            time.sleep(0.2)
        return study.start(encoder(self.training))

    def jobs(self):
        return jobs_of(self.folder)

    def job(self):
        (job,) = (job for job in self.jobs().values() if job["JobState"] == "RUNNING")
        return job

    def cancelled(self, job):
        slurm("scancel", job["JobId"])

    def requeued(self, job):
        slurm("scontrol", "requeue", job["JobId"])
        self.start_again(job)

    def preempted(self, job):
        # A job with a higher priority that needs all GPUs of the node.
        wanted = ["-p", "gpu", "-w", job["NodeList"], "--gpus=2", "--mem=100", "-t", "1"]
        slurm("sbatch", *wanted, "-o", "/dev/null", "--wrap", "true")
        self.start_again(job)

    def node_lost(self, job):
        self.cluster.kill_node(job["NodeList"], job["JobId"])
        self.start_again(job)

    def node_drained(self, job):
        node = f"NodeName={job['NodeList']}"
        slurm("scontrol", "update", node, "State=DRAIN", "Reason=test")
        slurm("scancel", job["JobId"])

    def start_again(self, job):
        """Slurm holds what it requeued for two minutes: tests do not."""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            now = self.jobs()[job["JobId"]]
            if now["Restarts"] != "0" and now["JobState"] == "PENDING":
                slurm("scontrol", "update", f"JobId={job['JobId']}", "StartTime=now")
                return
            if now["JobState"] not in ("RUNNING", "PENDING", "COMPLETING"):
                return  # it ended by itself before Slurm took it back: Snakemake submits it again
            time.sleep(0.5)


SITES = {
    "preempted": {"partitions": {"gpu": "low"}, "rules": {"finetuned": {"gpu": 1}}},
    "out of time": {"rules": {"finetuned": {"runtime": 1}}, "seconds_to_save": 40},
    "node lost": {"defaults": {"constraint": "spot"}},
    "node drained": {"defaults": {"constraint": "old"}},
}


def slurm(*command):
    subprocess.run(command, check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def outcomes(cluster, prepared, tmp_path_factory):
    """All kinds at once: most of their time is waiting."""
    trainings = dict.fromkeys(KINDS)
    for kind in KINDS:
        trainings[kind] = random.choice(TRAININGS)
    runs = [("cancelled", "standard"), ("cancelled", "linear")]
    runs += [(kind, trainings[kind]) for kind in KINDS if kind != "cancelled"]
    print("trainings:", runs)
    folder = tmp_path_factory.mktemp("interrupted")

    def interrupt(run):
        kind, training = run
        place = folder / f"{kind.replace(' ', '-')}-{training}"
        shutil.copytree(prepared.folder, place, symlinks=True)
        return run, Run(cluster, place, training).interrupt(kind)

    with ThreadPoolExecutor(len(runs)) as pool:
        return dict(pool.map(interrupt, runs))


def of(outcomes, kind):
    return [outcome for (name, _), outcome in outcomes.items() if name == kind]


@pytest.mark.parametrize("kind", KINDS)
def test_weights_have_the_bits_of_an_uninterrupted_training(kind, outcomes, uninterrupted):
    assert of(outcomes, kind)
    for outcome in of(outcomes, kind):
        whole = uninterrupted[outcome.training]
        assert outcome.weights.keys() == whole.keys()
        assert all(outcome.weights[name].equal(whole[name]) for name in whole)


@pytest.mark.parametrize("kind", ["cancelled", "preempted", "out of time", "snakemake killed"])
def test_a_job_that_is_told_to_stop_saves_its_state_and_goes_on_from_there(kind, outcomes):
    for outcome in of(outcomes, kind):
        assert "resumed after step" in outcome.log


def states(outcome):
    return sorted(job["JobState"] for job in outcome.jobs.values())


def test_cancelled_jobs_are_submitted_again(outcomes):
    for outcome in of(outcomes, "cancelled"):
        assert states(outcome) == ["CANCELLED", "COMPLETED"]


def test_requeued_jobs_go_on_as_the_same_job(outcomes):
    (outcome,) = of(outcomes, "requeued")
    (job,) = outcome.jobs.values()
    assert job["JobState"] == "COMPLETED" and job["Restarts"] == "1"


def test_the_second_attempt_has_more_time_and_memory(outcomes):
    (outcome,) = of(outcomes, "out of time")
    first, second, *_ = sorted(outcome.jobs.values(), key=lambda job: int(job["JobId"]))
    assert (first["TimeLimit"], second["TimeLimit"]) == ("00:01:00", "00:02:00")
    assert (first["MinMemoryNode"], second["MinMemoryNode"]) == ("4000M", "8000M")


def test_jobs_of_a_lost_node_run_on_another(outcomes):
    (outcome,) = of(outcomes, "node lost")
    (job,) = outcome.jobs.values()
    assert job["JobState"] == "COMPLETED" and job["Restarts"] == "1"


def test_a_drained_node_gets_no_new_jobs(outcomes):
    (outcome,) = of(outcomes, "node drained")
    first, second = sorted(outcome.jobs.values(), key=lambda job: int(job["JobId"]))
    assert first["NodeList"] != second["NodeList"] and second["JobState"] == "COMPLETED"
