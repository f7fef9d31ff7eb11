"""Costs of a study: of one job, which gives the rules their limits, and of all, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from tangent.config.cost.cost import Cost, Job, cost_of
from tangent.config.cost.downloads import Download, downloads
from tangent.config.cost.model_sizes import Architecture, ModelSizes, architecture_of
from tangent.config.cost.throughput import Machine, Pass, Time
from tangent.config.schema import Config
from tangent.jobs.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

SECONDS_TO_START = {"cpu": 4.0, "cuda": 15.0}
"""Of each job that runs a model: torch starts and weights are read. Measured on a CPU, assumed for
a GPU, whose libraries start too and whose models are larger."""

CONTEXT = 10**9
"""Bytes of the device's memory for CUDA, its libraries and the allocator's slack: a guess."""

MARGIN = 4
"""A job may take so many times its estimate."""


WorkflowJob = Mapping[str, Any]
"""A job that Snakemake would run, as `scripts.planned_jobs` prints it: its `rule`, the values of
its `wildcards`, its `inputs` and `outputs`."""


class StudyCost(NamedTuple):
    """Of a study.

    Attributes:
        stages: costs by stage: the folder that its jobs write to, in the workflow's order.
        models: costs by model (no jobs without a model).
        total: the cost of all jobs, one row.
        longest: of each rule that runs a model, in the workflow's order, the longest job: its
            `wildcards`, what it `takes` in seconds, and the `minutes` that it may take.
        remedies: of each stage that needs more memory than the GPU has, the keys that lower it.
        training_state: bytes that a training keeps to resume from: weights and AdamW's moments.
        downloads: what is fetched.

    Columns of costs: number of `jobs`, and of those with a model (`model_jobs`), `seconds` of these
    on the device (starting is counted), `memory` of the device at its peak, and what is written to
    the study's folder (`results`) and to the one that studies share (`resources`), in bytes;
    `basis` says what the seconds rest on.
    """

    stages: pd.DataFrame
    models: pd.DataFrame
    total: pd.DataFrame
    longest: pd.DataFrame
    remedies: dict[str, list[str]]
    training_state: int
    downloads: list[Download]


class Costs:
    """Tells what the jobs of a study take on a machine."""

    def __init__(self, config: Config, machine: Machine) -> None:
        self.config, self.machine = config, machine
        self._architectures: dict[str, Architecture] = {}
        for model in config.models:
            with suppress(UserError):
                self._architectures[model] = self._architecture(model)

    def knows(self, wildcards: Mapping[str, str]) -> bool:
        """Whether a job runs no model, or one of a known architecture."""
        return "model" not in wildcards or self._base(wildcards) in self._architectures

    def main_memory(
        self, rule: str, wildcards: Mapping[str, str], encoder: int = 1, inputs: int = 0
    ) -> int:
        """Megabytes that a job may take: a CPU's activations are in them, as far as known.

        Args:
            rule, wildcards: the job's.
            encoder: bytes of the model's encoder, if its architecture is not known.
            inputs: bytes of what it reads beside weights.
        """
        cost, sizes = self._cost(rule, wildcards, encoder)
        used = (cost.weights + 1) * sizes.encoder if cost.weights else 0  # one is being read
        used += cost.memory if self.machine.kind == "cpu" else 0
        megabytes = cost.megabytes + (int(used) >> 20)
        return cost.processes * megabytes + (inputs >> 20)

    def minutes(self, rule: str, wildcards: Mapping[str, str]) -> int:
        """Minutes that a job may take."""
        cost, _ = self._cost(rule, wildcards)
        if cost.work is None or not self.knows(wildcards):
            return cost.minutes
        seconds = self._time(wildcards, cost).seconds / cost.processes
        return max(cost.minutes, int(MARGIN * seconds / 60))

    def processes_on_device(self, rule: str, wildcards: Mapping[str, str]) -> int:
        """How many processes of a job run a model: GPUs, if there are any."""
        cost, _ = self._cost(rule, wildcards)
        return cost.processes if cost.work else 0

    def estimate(self, jobs: Sequence[WorkflowJob]) -> StudyCost:
        """Add up what jobs take.

        Raises:
            UserError: a model's architecture is not known.
        """
        import pandas as pd  # planning, which needs limits only, must stay fast

        sizes = {model: self._architecture(model).sizes for model in self.config.models}
        table = pd.DataFrame(map(self._row, _last_first(jobs)))
        models = _added(table, "model").drop(columns="basis")
        models = models.reindex(self.config.all_models, fill_value=0)
        stages, total = _added(table, "stage")[::-1], _added(table.assign(all="total"), "all")
        running = table[table.model_jobs > 0]
        longest = running.loc[running.groupby("rule", sort=False).takes.idxmax()[::-1]]
        longest = longest.set_index("rule")[["wildcards", "takes", "minutes"]]
        largest = max(of_model.encoder for of_model in sizes.values())
        state, fetched = 3 * largest, downloads(self.config, sizes)
        return StudyCost(stages, models, total, longest, self._remedies(table), state, fetched)

    def _remedies(self, table: pd.DataFrame) -> dict[str, list[str]]:
        if self.machine.gpu is None:
            return {}
        too_large = table[table.memory > self.machine.gpu_memory].groupby("stage", sort=False)
        return {stage: list(dict.fromkeys(jobs["keys"].sum())) for stage, jobs in too_large}

    def _row(self, job: WorkflowJob) -> dict[str, Any]:
        cost, sizes = self._cost(job["rule"], job["wildcards"])
        stage, is_shared = self._stage(job["outputs"][0])
        row = {
            "stage": stage,
            "rule": job["rule"],
            "wildcards": " ".join(job["wildcards"].values()),
            "model": job["wildcards"].get("model"),
            "jobs": 1,
            "model_jobs": int(cost.work is not None),
            "seconds": 0.0,
            "takes": 0.0,
            "memory": 0.0,
            "results": 0.0 if is_shared else cost.written,
            "resources": cost.written if is_shared else 0.0,
            "basis": "",
            "minutes": self.minutes(job["rule"], job["wildcards"]),
            "keys": cost.keys,
        }
        if cost.work:
            time = self._time(job["wildcards"], cost)
            start = SECONDS_TO_START[self.machine.kind]
            row["seconds"] = start + time.seconds
            row["takes"] = start + time.seconds / cost.processes
            row["memory"] = CONTEXT + cost.weights * sizes.encoder + cost.memory
            row["basis"] = time.basis
        return row

    def _cost(
        self, rule: str, wildcards: Mapping[str, str], encoder: int = 1
    ) -> tuple[Cost, ModelSizes]:
        architecture = self._architectures.get(self._base(wildcards))
        sizes = architecture.sizes if architecture else ModelSizes(encoder)
        machine = self.machine
        job = Job(self.config, wildcards, sizes, machine.kind, machine.gpu_memory)
        return cost_of(rule, job), sizes

    def _time(self, wildcards: Mapping[str, str], cost: Cost) -> Time:
        architecture = self._architectures[self._base(wildcards)]
        return self.machine.time(architecture, cost.work, _dtype(self.config, cost.work.kind))

    def _base(self, wildcards: Mapping[str, str]) -> str:
        return self.config.base_model(wildcards["model"]) if "model" in wildcards else ""

    def _architecture(self, model: str) -> Architecture:
        return architecture_of(self.config.pretrained[model].model_dump(), model)

    def _stage(self, output: str) -> tuple[str, bool]:
        """The first folder, below the study's or the shared one, and whether it is the latter."""
        paths, path = self.config.paths, PurePath(output)
        is_shared = path.is_relative_to(paths.resources)
        root = paths.resources if is_shared else f"{paths.results}/{self.config.study}"
        folder, *below = path.relative_to(root).parts
        return folder if below else "configuration", is_shared


def _added(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """The costs of all jobs with one value in a column, in the order in which these come."""
    how = dict.fromkeys(["jobs", "model_jobs", "seconds", "results", "resources"], "sum")
    how |= {"memory": "max", "basis": lambda bases: " + ".join(sorted({*bases} - {""}))}
    return table.groupby(column, sort=False).agg(how)


def _last_first(jobs: Sequence[WorkflowJob]) -> list[WorkflowJob]:
    """By the number of jobs that come before each, one after the other."""
    made_by = {output: job for job in jobs for output in job["outputs"]}

    @cache
    def depth(output: str) -> int:
        needed = [path for path in made_by[output]["inputs"] if path in made_by]
        return max((1 + depth(path) for path in needed), default=0)

    return sorted(jobs, key=lambda job: depth(job["outputs"][0]), reverse=True)


def _dtype(config: Config, kind: Pass) -> str:
    """Kernels and heads are in float32, whatever the trainings and evaluations are."""
    autocast = "none"
    if kind.endswith("step"):
        autocast = config.compute.autocast
    elif kind in ("forward", "tangent"):
        autocast = config.compute.evaluation_autocast
    return "bfloat16" if autocast == "bfloat16" else "float32"
