"""The demo study, small, on a real Slurm: it finishes, and its jobs ask for what rules declare."""

import re
import shutil
from dataclasses import dataclass

import pytest
from studies import jobs_of, on_slurm
from workspace import ROOT, Workspace

from tangent.jobs.files import read_csv

# And evaluations of the mode `standard`; "heads_heads" is a group of several.
RUN_A_MODEL = ["heads", "heads_heads", "features", "products", "finetuned", "eigenfunctions"]
RUN_A_MODEL += ["proposition1"]
LOCAL_RULES = ["pretrained_clip", "data_source"]
OTHER_MINUTES = 7


@dataclass(frozen=True)
class Finished:
    study: Workspace
    output: str
    jobs: dict[str, dict[str, str]]

    def of_rule(self, rule):
        return [job for job in self.jobs.values() if re.match(rf"rule_{rule}(_|$)", job["Comment"])]


@pytest.fixture(scope="module")
def finished(cluster, tmp_path_factory):
    """The study, run to its end by `snakemake --profile slurm`."""
    folder = tmp_path_factory.mktemp("finished") / "study"
    Workspace.create(folder)
    shutil.copytree(ROOT / "pretrained", folder / "pretrained")
    rules = {"zero_shot": {"runtime": OTHER_MINUTES, "slurm_partition": "low"}}
    study = on_slurm(folder, "--configfile=configs/demo-small.yaml", rules=rules)
    # Computed on the CPU, but asked for as on GPUs: Slurm's are fakes.
    study.replace("rules/cluster.smk", 'processes if DEVICE_NAME == "cuda" else 0', "processes")
    output = study.snakemake()
    return Finished(study, output, jobs_of(folder))


def rule_of(job):
    """The job's rule; of several jobs in one, the group's name and their rules'."""
    return job["Comment"].removeprefix("rule_").partition("_wildcards_")[0]


def megabytes(text):
    """What `scontrol` means by 4000M or 4G."""
    number, unit = float(text[:-1]), text[-1]
    return number * {"M": 1, "G": 1024}[unit]


def test_the_study_finishes_with_its_report(finished):
    results = finished.study.folder / "results" / "demo-small"
    assert (results / "report" / "index.html").stat().st_size > 100_000
    assert read_csv(results / "tables" / "addition.csv")
    assert {job["JobState"] for job in finished.jobs.values()} == {"COMPLETED"}
    assert "Nothing to be done" in finished.study.snakemake()
    assert "results verified" in finished.study.snakemake("verify")


@pytest.mark.parametrize(
    ("rule", "base", "has_weights", "minutes"),
    [
        ("dataset", 4000, False, 240),
        ("initial", 4000, True, 60),
        ("finetuned", 4000, True, 240),
        ("zero_shot", 1000, False, OTHER_MINUTES),
        ("features", 4000, True, 60),
        ("products", 4000, True, 120),
        ("eigenfunctions", 6000, True, 120),
    ],
)
def test_jobs_ask_for_what_they_cost(rule, base, has_weights, minutes, finished):
    jobs = finished.of_rule(rule)
    assert jobs
    for job in jobs:
        days, hours = divmod(minutes // 60, 24)
        limit = f"{days}-" * bool(days) + f"{hours:02d}:{minutes % 60:02d}:00"
        assert job["TimeLimit"] == limit, job
        # The encoder has 11 MB; on a CPU activations and kernels come on top.
        memory = megabytes(job["MinMemoryNode"])
        assert base + 22 <= memory <= base + 4000 if has_weights else memory == base, job


def test_jobs_on_gpus_hold_one_and_others_none(finished):
    for job in finished.jobs.values():
        rule = rule_of(job)
        is_gpu = rule in RUN_A_MODEL or "_standard_" in job["Comment"]
        assert job.get("TresPerJob") == ("gres:gpu:1" if is_gpu else None), job
        expected = "gpu" if is_gpu else "low" if rule == "zero_shot" else "cpu"
        assert job["Partition"] == expected
        assert job["Features"] == "steady" and job["NodeList"] == "n1"


def test_short_jobs_share_entries_of_the_queue_and_downloads_run_here(finished):
    steps = int(re.search(r"of (\d+) steps \(100%\) done", finished.output).group(1))
    assert len(finished.jobs) < steps / 2
    assert len(finished.of_rule("summary")) == len(finished.of_rule("heads")) == 1
    assert finished.of_rule("lookups") and finished.of_rule("vectors")
    for job in finished.of_rule("lookups"):
        assert int(job["NumCPUs"]) <= 4
    assert not any(finished.of_rule(rule) for rule in LOCAL_RULES)


def test_logs_lie_where_a_person_looks(finished):
    log = "results/demo-small/logs/finetuned/demo-vit/linear/shapes/seed0.log"
    assert "steps" in (finished.study.folder / log).read_text("utf-8")
    submitted = re.search(r"\(log: (.*)/logs/slurm/rule_finetuned/", finished.output)
    assert submitted.group(1) == str(finished.study.folder)
