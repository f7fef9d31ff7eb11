"""What a whole study costs, stage by stage: the numbers that the table shows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tangent.config.cost import disk
from tangent.config.cost import job_memory as memory
from tangent.config.cost.model_sizes import BYTES, Architecture, architecture_of
from tangent.config.cost.passes import Jobs, Pass, jobs_of
from tangent.config.cost.throughput import Basis, Machine
from tangent.config.schema import Config
from tangent.kernels.gram_memory import GRADIENT_BYTES, gradients_held

SECONDS_TO_START = {"cpu": 4.0, "cuda": 15.0}
"""Of each job that runs a model: torch starts and weights are read. Measured on a CPU, assumed for
a GPU, whose libraries start too and whose models are larger."""


@dataclass
class Cost:
    """Of a stage or of a model.

    Attributes:
        jobs: all of them.
        model_jobs: those that run a model, on the GPU if there is one.
        seconds: of these on the device; starting is counted.
        memory: of the device at its peak, in bytes.
        bases: what the seconds rest on.
    """

    jobs: int = 0
    model_jobs: int = 0
    seconds: float = 0.0
    memory: int = 0
    bases: set[Basis] = field(default_factory=set)


@dataclass
class Estimate:
    """Of a study.

    Attributes:
        machine: what it is reckoned for.
        stages: cost by stage, in the workflow's order.
        models: cost by model (no jobs without a model).
        results: bytes below the study's folder, by stage.
        resources: bytes in the folder that studies share, by stage.
        training_state: bytes of the state of each training that runs.
        downloads: what is fetched.
    """

    machine: Machine
    stages: dict[str, Cost]
    models: dict[str, Cost]
    results: Counter[str]
    resources: Counter[str]
    training_state: int
    downloads: list[disk.Download]


def estimate(config: Config, machine: Machine) -> Estimate:
    """Reckon what the target `all` costs from nothing.

    Raises:
        UserError: a model's architecture is not one that can be estimated.
    """
    architectures = {
        name: architecture_of(config.pretrained[name].model_dump(), name)
        for name in dict.fromkeys(config.base_model(model) for model in config.all_models)
    }
    held = {
        name: gradients_held(BYTES * model.encoder_parameters, GRADIENT_BYTES[machine.kind])
        for name, model in architectures.items()
    }
    stages: dict[str, Cost] = {}
    models: dict[str, Cost] = {}
    for jobs in jobs_of(config, held):
        costs = [stages.setdefault(jobs.stage, Cost())]
        if jobs.model:
            costs.append(models.setdefault(jobs.model, Cost()))
        model = architectures.get(config.base_model(jobs.model)) if jobs.model else None
        for cost in costs:
            cost.jobs += jobs.count
            if jobs.work:
                _add(cost, config, model, jobs, machine)
    return Estimate(
        machine,
        stages,
        models,
        disk.results(config, architectures),
        disk.resources(config, architectures),
        disk.training_state(config, architectures),
        disk.downloads(config, architectures),
    )


def _add(cost: Cost, config: Config, model: Architecture, jobs: Jobs, machine: Machine) -> None:
    time = machine.time(model, jobs.work, _dtype(config, jobs.work.kind))
    cost.model_jobs += jobs.count
    cost.memory = max(cost.memory, _memory(config, model, jobs, machine))
    cost.seconds += jobs.count * (SECONDS_TO_START[machine.kind] + time.seconds)
    cost.bases.add(time.basis)


def _memory(config: Config, model: Architecture, jobs: Jobs, machine: Machine) -> int:
    kind = jobs.work.kind
    found = machine.find(model, kind, _dtype(config, kind))
    size = config.compute.evaluation_batch_size
    # Other sizes of a batch, several tangents, edited models and kernels need other amounts.
    is_like = jobs.rule == "features"
    if kind.endswith("step"):
        settings = config.finetuning_of(jobs.model)
        size = memory.images_per_step(config, settings)
        is_like = not memory.recomputes(settings, kind)
    if found is not None and is_like and found.batch_size == size:
        return int(found.memory * 1e9)
    return memory.peak(config, model, jobs, machine.kind)


def _dtype(config: Config, kind: Pass) -> str:
    """Kernels and heads are in float32, whatever the trainings and evaluations are."""
    autocast = "none"
    if kind.endswith("step"):
        autocast = config.compute.autocast
    elif kind in ("forward", "tangent"):
        autocast = config.compute.evaluation_autocast
    return "bfloat16" if autocast == "bfloat16" else "float32"
