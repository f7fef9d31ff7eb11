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

EPOCHS = 300  # a quarter of a minute of training where nothing else runs
TRAININGS = ("standard", "linear")
STOPPED = "stopped by SIGTERM after step"
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
    was_told: bool
    jobs: dict


class Run:
    """A fine-tuning on the cluster that is interrupted."""

    def __init__(self, cluster, folder, kind, training):
        self.cluster, self.folder, self.training = cluster, folder, training
        self.log = folder / f"results/tiny/logs/finetuned/{MODEL}/{training}/shapes/seed{SEED}.log"
        self.interrupt = getattr(self, kind.replace(" ", "_"))
        self.study = on_slurm(folder, **SITES.get(kind, {}))
        self.was_told = kind in ("cancelled", "preempted", "snakemake killed")

    def outcome(self):
        """Start it, interrupt it while it trains, and wait for its end."""
        self.process = self.study.start(encoder(self.training))
        try:
            self.interrupt()
            output = self.process.communicate(timeout=900)[0]
        finally:
            self.process.kill()
        assert self.process.returncode == 0, output
        weights = load_file(self.folder / encoder(self.training))
        return Outcome(self.training, weights, self.lines(), self.was_told, self.jobs())

    def wait_for_line(self, text):
        """Until the training's log has it; the next attempt begins another log."""
        while text not in self.lines():
            running = self.process.poll() is None
            assert running, f"never {text!r}: {self.lines()}\n{self.process.communicate()[0]}"
            time.sleep(0.1)

    def lines(self):
        try:
            return self.log.read_text()
        except FileNotFoundError:
            return ""

    def training_job(self):
        """The job, some seconds after its training has begun."""
        self.wait_for_line("steps, loss")
        time.sleep(random.uniform(0, 3))
        (job,) = (job for job in self.jobs().values() if job["JobState"] == "RUNNING")
        return job

    def jobs(self):
        return jobs_of(self.folder)

    def cancelled(self):
        slurm("scancel", self.training_job()["JobId"])
        self.wait_for_line(STOPPED)

    def requeued(self):
        job = self.training_job()
        slurm("scontrol", "requeue", job["JobId"])
        self.start_again(job)

    def preempted(self):
        """A job with a higher priority needs all GPUs of the node."""
        job = self.training_job()
        wanted = ["-p", "gpu", "-N", "1", "-w", job["NodeList"], "--gpus=2", "--mem=100", "-t", "1"]
        slurm("sbatch", *wanted, "-o", "/dev/null", "--wrap", "true")
        self.wait_for_line(STOPPED)
        self.start_again(job)

    def out_of_time(self):
        """Slurm does it, and may tell the job a minute early, when it has not begun to train."""
        running = {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING"}
        while not {job["JobState"] for job in self.jobs().values()} - running:
            assert self.process.poll() is None, self.process.communicate()[0]
            self.was_told = self.was_told or STOPPED in self.lines()
            time.sleep(0.1)

    def node_lost(self):
        job = self.training_job()
        self.cluster.kill_node(job["NodeList"], job["JobId"])
        self.start_again(job)

    def node_drained(self):
        job = self.training_job()
        slurm("scontrol", "update", f"NodeName={job['NodeList']}", "State=DRAIN", "Reason=test")
        time.sleep(3)
        assert self.jobs()[job["JobId"]]["JobState"] == "RUNNING"  # it may go on to its end
        slurm("scancel", job["JobId"])

    def snakemake_killed(self):
        """Snakemake alone: the next one names the job that it left, and submits none twice."""
        job = self.training_job()["JobId"]
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()
        refused = self.study.snakemake(encoder(self.training), fails=True)
        assert f"an earlier Snakemake submitted for this study: {job}. Wait" in refused
        assert f"scancel {job}" in refused and len(self.jobs()) == 1
        slurm("scancel", job)
        while subprocess.check_output(["squeue", "-h", "-j", job], text=True).strip():
            time.sleep(0.2)
        self.process = self.study.start(encoder(self.training))

    def start_again(self, job):
        """Slurm holds what it requeued for two minutes: tests do not."""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            now = self.jobs()[job["JobId"]]
            if now["Restarts"] != "0" and now["JobState"] == "PENDING":
                slurm("scontrol", "update", f"JobId={job['JobId']}", "StartTime=now")
                return
            time.sleep(0.5)


SITES = {
    "preempted": {"rules": {"finetuned": {"gpu": 1, "slurm_partition": "low"}}},
    "out of time": {"rules": {"finetuned": {"runtime": 1}}, "seconds_to_save": 40},
    "node lost": {"defaults": {"constraint": "spot"}},
    "node drained": {"defaults": {"constraint": "old"}},
}


def slurm(*command):
    subprocess.run(command, check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def outcomes(cluster, prepared, tmp_path_factory):
    """All kinds at once: most of their time is waiting."""
    runs = [("cancelled", "standard"), ("cancelled", "linear")]
    runs += [(kind, random.choice(TRAININGS)) for kind in KINDS if kind != "cancelled"]
    print("trainings:", runs)
    folder = tmp_path_factory.mktemp("interrupted")

    def outcome(run):
        kind, training = run
        place = folder / f"{kind.replace(' ', '-')}-{training}"
        shutil.copytree(prepared.folder, place, symlinks=True)
        return run, Run(cluster, place, kind, training).outcome()

    with ThreadPoolExecutor(len(runs)) as pool:
        return dict(pool.map(outcome, runs))


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
def test_a_training_that_was_told_to_stop_goes_on_from_its_saved_state(kind, outcomes):
    for outcome in of(outcomes, kind):
        assert "resumed after step" in outcome.log or not outcome.was_told


def states(outcome):
    return sorted(job["JobState"] for job in outcome.jobs.values())


def test_cancelled_jobs_are_submitted_again(outcomes):
    for outcome in of(outcomes, "cancelled"):
        assert states(outcome) == ["CANCELLED", "COMPLETED"]


@pytest.mark.parametrize("kind", ["requeued", "preempted", "node lost"])
def test_jobs_that_slurm_takes_back_go_on_as_the_same_job(kind, outcomes):
    (outcome,) = of(outcomes, kind)
    (job,) = outcome.jobs.values()
    assert job["JobState"] == "COMPLETED" and job["Restarts"] == "1"


def test_the_second_attempt_has_more_time_and_memory(outcomes):
    (outcome,) = of(outcomes, "out of time")
    first, second, *_ = sorted(outcome.jobs.values(), key=lambda job: int(job["JobId"]))
    assert (first["TimeLimit"], second["TimeLimit"]) == ("00:01:00", "00:02:00")
    memory = [int(job["MinMemoryNode"].removesuffix("M")) for job in (first, second)]
    assert memory[0] >= 4000 and memory[1] == 2 * memory[0]


def test_a_drained_node_gets_no_new_jobs(outcomes):
    (outcome,) = of(outcomes, "node drained")
    first, second = sorted(outcome.jobs.values(), key=lambda job: int(job["JobId"]))
    assert first["NodeList"] != second["NodeList"] and second["JobState"] == "COMPLETED"
