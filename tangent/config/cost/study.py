"""Costs of a study: of one job, which gives the rules their limits, and of all, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import PurePath

from tangent.config.cost.cost import Cost, Job, cost_of
from tangent.config.cost.downloads import Download, downloads
from tangent.config.cost.model_sizes import Architecture, Sizes, architecture_of
from tangent.config.cost.throughput import Basis, Machine, Pass, Time
from tangent.config.schema import Config
from tangent.jobs.errors import UserError

SECONDS_TO_START = {"cpu": 4.0, "cuda": 15.0}
"""Of each job that runs a model: torch starts and weights are read. Measured on a CPU, assumed for
a GPU, whose libraries start too and whose models are larger."""

CONTEXT = 10**9
"""Bytes of the device's memory for CUDA, its libraries and the allocator's slack: a guess."""

MARGIN = 4
"""A job may take so many times its estimate."""


@dataclass(frozen=True)
class WorkflowJob:
    """A job that Snakemake would run: its rule, the values of its wildcards, and its files."""

    rule: str
    wildcards: Mapping[str, str]
    inputs: Sequence[str]
    outputs: Sequence[str]


@dataclass(frozen=True)
class StageCost:
    """Of a stage or of a model.

    Attributes:
        jobs: all of them.
        model_jobs: those that run a model, on the GPU if there is one.
        seconds: of these on the device; starting is counted.
        memory: of the device at its peak, in bytes.
        results: bytes below the study's folder.
        resources: bytes in the folder that studies share.
        bases: what the seconds rest on.
    """

    jobs: int = 0
    model_jobs: int = 0
    seconds: float = 0.0
    memory: float = 0.0
    results: float = 0.0
    resources: float = 0.0
    bases: frozenset[Basis] = frozenset()

    def __add__(self, other: StageCost) -> StageCost:
        return StageCost(
            self.jobs + other.jobs,
            self.model_jobs + other.model_jobs,
            self.seconds + other.seconds,
            max(self.memory, other.memory),
            self.results + other.results,
            self.resources + other.resources,
            self.bases | other.bases,
        )


@dataclass
class Estimate:
    """Of a study.

    Attributes:
        stages: cost by stage: the folder that its jobs write to, in the workflow's order.
        models: cost by model (no jobs without a model).
        training_state: bytes that a training keeps to resume from: weights and AdamW's moments.
        downloads: what is fetched.
    """

    stages: dict[str, StageCost]
    models: dict[str, StageCost]
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

    def check(self) -> None:
        """Refuse a study that cannot be estimated.

        Raises:
            UserError: a model's architecture is not known.
        """
        for model in self.config.models:
            self._architecture(model)

    def estimate(self, jobs: Sequence[WorkflowJob]) -> Estimate:
        """Add up what jobs take, of a study that `check` does not refuse."""
        stages: dict[str, StageCost] = {}
        models = {model: StageCost() for model in self.config.all_models}
        for job in _last_first(jobs):
            found = self._of_job(job)
            stage = self._stage(job)
            stages[stage] = stages.get(stage, StageCost()) + found
            if "model" in job.wildcards:
                models[job.wildcards["model"]] += found
        stages = dict(reversed(stages.items()))
        sizes = {name: model.sizes for name, model in self._architectures.items()}
        largest = max(of_model.encoder for of_model in sizes.values())
        return Estimate(stages, models, 3 * largest, downloads(self.config, sizes))

    def _of_job(self, job: WorkflowJob) -> StageCost:
        cost, sizes = self._cost(job.rule, job.wildcards)
        written = {"resources" if self._is_shared(job) else "results": cost.written}
        if not cost.work:
            return StageCost(1, **written)
        time = self._time(job.wildcards, cost)
        return StageCost(
            jobs=1,
            model_jobs=1,
            seconds=SECONDS_TO_START[self.machine.kind] + time.seconds,
            memory=CONTEXT + cost.weights * sizes.encoder + cost.memory,
            bases=frozenset({time.basis}),
            **written,
        )

    def _cost(
        self, rule: str, wildcards: Mapping[str, str], encoder: int = 1
    ) -> tuple[Cost, Sizes]:
        architecture = self._architectures.get(self._base(wildcards))
        sizes = architecture.sizes if architecture else Sizes(encoder)
        return cost_of(rule, Job(self.config, wildcards, sizes, self.machine.kind)), sizes

    def _time(self, wildcards: Mapping[str, str], cost: Cost) -> Time:
        architecture = self._architectures[self._base(wildcards)]
        return self.machine.time(architecture, cost.work, _dtype(self.config, cost.work.kind))

    def _base(self, wildcards: Mapping[str, str]) -> str:
        return self.config.base_model(wildcards["model"]) if "model" in wildcards else ""

    def _architecture(self, model: str) -> Architecture:
        return architecture_of(self.config.pretrained[model].model_dump(), model)

    def _is_shared(self, job: WorkflowJob) -> bool:
        return PurePath(job.outputs[0]).is_relative_to(self.config.paths.resources)

    def _stage(self, job: WorkflowJob) -> str:
        """The first folder, below the study's or the shared one, that a job writes to."""
        paths = self.config.paths
        root = paths.resources if self._is_shared(job) else f"{paths.results}/{self.config.study}"
        folder, *below = PurePath(job.outputs[0]).relative_to(root).parts
        return folder if below else "configuration"


def _last_first(jobs: Sequence[WorkflowJob]) -> list[WorkflowJob]:
    """By the number of jobs that come before each, one after the other."""
    made_by = {output: job for job in jobs for output in job.outputs}

    @cache
    def depth(output: str) -> int:
        needed = [path for path in made_by[output].inputs if path in made_by]
        return max((1 + depth(path) for path in needed), default=0)

    return sorted(jobs, key=lambda job: depth(job.outputs[0]), reverse=True)


def _dtype(config: Config, kind: Pass) -> str:
    """Kernels and heads are in float32, whatever the trainings and evaluations are."""
    autocast = "none"
    if kind.endswith("step"):
        autocast = config.compute.autocast
    elif kind in ("forward", "tangent"):
        autocast = config.compute.evaluation_autocast
    return "bfloat16" if autocast == "bfloat16" else "float32"
