"""Fine-tuning, and the learning rates: numbers, or grids to choose from."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from tangent.jobs.keys import (
    Name,
    NaturalNumber,
    NonNegativeNumber,
    PositiveInteger,
    PositiveNumber,
    Section,
    TrainingName,
)


class LearningRates(Section):
    """Peak learning rates of AdamW, one per training."""

    standard: PositiveNumber
    """Of ordinary fine-tuning (protocol: 1e-5)."""
    linear: PositiveNumber
    """Of the linearized model's (protocol: 1e-5)."""


def _ascending(rates: list[float]) -> list[float]:
    if len(set(rates)) < len(rates):
        raise PydanticCustomError("repeated_rate", "must list each rate once")
    return sorted(rates)


class RateGrid(Section):
    """Learning rates among which single-task validation accuracy chooses."""

    grid: Annotated[list[PositiveNumber], Field(min_length=3), AfterValidator(_ascending)]
    """At least three rates, in any order. The best must lie inside: at an end of the grid nothing
    is chosen, and a message names the rate to add."""


def _number_or_grid(value: Any) -> str:
    return "a grid" if isinstance(value, dict | RateGrid) else "a number"


# Which of the two it is decides what a message says; pydantic alone would complain about both.
RateOrGrid = Annotated[
    Annotated[PositiveNumber, Tag("a number")] | Annotated[RateGrid, Tag("a grid")],
    Discriminator(_number_or_grid),
]


class SearchedLearningRates(Section):
    """Peak learning rates of AdamW, one per training: a number, or a grid to choose from."""

    standard: RateOrGrid
    """Of ordinary fine-tuning (protocol: 1e-5)."""
    linear: RateOrGrid
    """Of the linearized model's (protocol: 1e-5)."""


class ModelFinetuning(Section):
    """What differs for one model: its learning rates, and how its fine-tuning fits into memory.

    Numbers change in their last bits only by what concerns memory.
    """

    learning_rate: LearningRates | None = None
    """The model's own learning rates, in the place of `finetuning.learning_rate`."""
    accumulation_steps: PositiveInteger = 1
    """Parts that a step's batch is computed in, one after the other."""
    activation_checkpointing: list[TrainingName] = []
    """Trainings that compute activations twice instead of keeping them all."""
    processes: PositiveInteger = 1
    """GPUs of one machine that a step's batch is spread over."""


class Finetuning(Section):
    """Fine-tuning: AdamW, cosine decay to zero after a linear warm-up, frozen head (protocol)."""

    batch_size: PositiveInteger
    """Images per step, over all parts and GPUs (protocol: 128)."""
    weight_decay: NonNegativeNumber
    """AdamW's weight decay (protocol: 0.1)."""
    gradient_clip: PositiveNumber
    """Largest global norm of the gradient (protocol: 1.0)."""
    warmup_steps: NaturalNumber
    """Steps of the learning rate's linear warm-up (the authors' code: 500)."""
    epochs: dict[Name, PositiveInteger]
    """Passes over the training images, one entry per task. Entries of tasks that are not selected
    are ignored."""
    learning_rate: SearchedLearningRates
    tuning_seed: NaturalNumber | None = None
    """Seed of the trainings among which a learning rate is chosen; null: the study's first, whose
    training at the chosen rate is not made again."""
    models: dict[Name, ModelFinetuning] = {}
    """What differs for a model, by the model's name."""
