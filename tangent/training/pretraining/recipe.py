"""Recipes: what decides the result of a pre-training."""

from __future__ import annotations

from dataclasses import dataclass

from tangent.jobs.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides the result of a pre-training, except versions and hardware.

    Raises:
        UserError: on a batch larger than the data, or less than one epoch or thread.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    threads: int
    warmup_steps: int = 100
    weight_decay: float = 0.1

    def __post_init__(self) -> None:
        if not 2 <= self.batch_size <= self.examples or self.epochs < 1 or self.threads < 1:
            raise UserError(
                f"pre-training needs a batch_size from 2 to the number of examples "
                f"({self.examples}), and at least one epoch and thread; it got {self}."
            )

    @property
    def examples(self) -> int:
        """What an epoch passes over."""
        raise NotImplementedError

    @property
    def steps_per_epoch(self) -> int:
        """An epoch's last, incomplete batch is left out."""
        return self.examples // self.batch_size

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole schedule."""
        return self.epochs * self.steps_per_epoch
