"""Peak memory of a job's device: a rough formula, where nothing was measured.

P is the encoder's size in bytes. Activations are those of `Transformer.activations`, in both
trainings: a linear step keeps nothing of the product with the Jacobian.
"""

from __future__ import annotations

from tangent.config.cost.model_sizes import BYTES, Architecture
from tangent.config.cost.passes import Jobs, Pass, kernels_of
from tangent.config.finetuning import ModelFinetuning
from tangent.config.schema import Config
from tangent.evaluation.product_passes import images_per_pass, tangents_per_pass
from tangent.kernels.gram_memory import BATCH_SIZE, GRADIENT_BYTES, matrix_free_bytes

CONTEXT = 10**9
"""CUDA, its libraries and the allocator's slack, in bytes: a guess."""

BFLOAT16_ACTIVATIONS = 0.56
"""Bytes of activations under bfloat16 autocast, relative to float32: norms stay in float32."""


def peak(config: Config, model: Architecture, jobs: Jobs, device: str) -> int:
    """Bytes of the device's memory that a job needs at its peak.

    Args:
        config: the study.
        model: the architecture.
        jobs: the job, which runs a model.
        device: `cpu` or `cuda`.
    """
    encoder = BYTES * model.encoder_parameters
    kind = jobs.work.kind
    if kind.endswith("step"):
        return CONTEXT + _training(config, model, jobs, encoder)
    if jobs.rule in ("eigenfunctions", "proposition1"):
        return CONTEXT + _kernel(config, model, kind, encoder, GRADIENT_BYTES[device])
    if kind == "text":
        return CONTEXT + BYTES * model.parameters
    batch_size = config.compute.evaluation_batch_size
    passing = batch_size * _passing(model)
    if kind == "tangent":
        tangents = tangents_per_pass(_directions(config, jobs.model), encoder, device)
        images = images_per_pass(batch_size, batch_size, tangents)
        return CONTEXT + (2 + tangents) * encoder + (1 + tangents) * images * _passing(model)
    # θ0 and the edited weights, and, where they are edited, the task vectors and their sum.
    vectors = 0 if jobs.rule == "features" else _vectors(config, jobs) * encoder
    return CONTEXT + 2 * encoder + vectors + passing


def _kernel(config: Config, model: Architecture, kind: Pass, encoder: int, budget: int) -> int:
    """Directions of all kernels and, dense, gradients; of products, what bounds them."""
    grid = config.eigenfunctions
    counts = [kernels_of(config, task) for task in grid.tasks]
    if kind == "gradient":
        directions = max(kernels for kernels, _ in counts) * grid.components * encoder
        return encoder + directions + int(1.25 * budget)
    outputs = max(outputs for _, outputs in counts)
    activations = BATCH_SIZE * BYTES * model.image.activations
    return matrix_free_bytes(grid.images, outputs, encoder, grid.components, budget, activations)


def images_per_step(config: Config, settings: ModelFinetuning) -> int:
    """Images of a training's batch that one process computes at once."""
    return -(-config.finetuning.batch_size // (settings.accumulation_steps * settings.processes))


def recomputes(settings: ModelFinetuning, step: Pass) -> bool:
    """Whether a kind of step uses activation checkpointing."""
    return step.removesuffix(" step") in settings.activation_checkpointing


def _training(config: Config, model: Architecture, jobs: Jobs, encoder: int) -> int:
    """Weights, gradients, Adam's two moments; for the linear one also θ0, point and direction."""
    is_linear = jobs.work.kind == "linear step"
    settings = config.finetuning_of(jobs.model)
    images = images_per_step(config, settings)
    numbers = model.image.activations
    if recomputes(settings, jobs.work.kind):  # the blocks' inputs, and one block's own
        inputs = model.image.layers * model.image.tokens * model.image.width
        numbers = inputs + numbers / model.image.layers
    of_type = BFLOAT16_ACTIVATIONS if config.compute.autocast == "bfloat16" else 1
    return int((7 if is_linear else 4) * encoder + images * BYTES * numbers * of_type)


def _passing(model: Architecture) -> int:
    """Bytes of one image on its way through a block, when nothing is kept, and of its pixels."""
    return BYTES * (model.image.activations // model.image.layers + 3 * model.image_size**2)


def _directions(config: Config, model: str) -> int:
    """Most task vectors that the products on a data set are made with."""
    return max(
        len(set(config.product_vectors(model, dataset, split)))
        for dataset in config.product_datasets(model)
        for split in ("validation", "test")
    )


def _vectors(config: Config, jobs: Jobs) -> int:
    """Task vectors on the device, their sum included."""
    if "addition" in jobs.rule:
        return len(config.tasks_of(jobs.model)) + 1
    return 2 if "disentanglement" in jobs.rule else 1
