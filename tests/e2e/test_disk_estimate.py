"""The estimated sizes against the files of a finished study."""

from dataclasses import fields

from small_study import CONTROL

from scripts.plan_arguments import PlanArguments
from tangent.config.cost.study import Costs, WorkflowJob
from tangent.config.cost.throughput import CPU, Machine
from tangent.config.load import load_config

HEADER = 6000
"""Bytes of a safetensors file beside its tensors, at most: names, shapes, provenance."""


def test_results_and_resources_are_as_large_as_estimated(finished, monkeypatch):
    import sys

    import yaml

    monkeypatch.chdir(finished.folder)
    config = load_config(yaml.safe_load((finished.folder / "config.yaml").read_text()))
    names = [field.name for field in fields(WorkflowJob)]
    plan = PlanArguments(python=sys.executable, rerun_triggers=["mtime"]).plan(True)
    jobs = [WorkflowJob(**{name: job[name] for name in names}) for job in plan]
    stages = Costs(config, Machine(CPU, 0.35)).estimate(jobs).stages
    for stage in ("heads", "finetuned", "task_vectors", "features", "products"):
        check(finished.folder / "results" / "tiny" / stage, stages[stage].results)
    check(finished.folder / "resources" / "pretrained", stages["pretrained"].resources)
    splits = finished.folder / "resources" / "datasets"
    # Labels and digests are small beside images, but not beside a test's.
    without = f"{CONTROL}/train.safetensors"
    check(splits, stages["datasets"].resources, extra=0.05, without=without)


def check(folder, estimated, extra=0.0, without="nothing"):
    files = [path for path in folder.rglob("*.safetensors") if not str(path).endswith(without)]
    found = sum(path.stat().st_size for path in files)
    assert 0 < estimated <= found <= (1 + extra) * estimated + len(files) * HEADER, folder
