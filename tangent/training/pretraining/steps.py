"""The loop of a pre-training: AdamW, a cosine after a warm-up, weights kept at the wanted steps."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from tangent.jobs.checkpoint import Checkpoint
from tangent.jobs.errors import UserError
from tangent.jobs.progress import Progress
from tangent.training.pretraining.recipes import PretrainingRecipe


class Objective(Protocol):
    """Examples and a model that is trained on them, whole: what every objective's class has."""

    model: nn.Module

    def loss(self, chosen: Tensor) -> Tensor:
        """The loss [] of the examples `chosen`, int64 [batch]."""

    def constrain(self) -> None:
        """Bring parameters back into their bounds after a step; there may be none."""

    def write(self, folder: Path) -> None:
        """Write the model as it is now: the recipe's `files`."""

    def metrics(self) -> dict[str, Any]:
        """How good the model is now, as `metrics.json` has it."""


class LogRow(NamedTuple):
    """State of the training after `step` steps; `seconds` since the first step began."""

    step: int
    loss: float
    learning_rate: float
    seconds: float


def pretrain(
    objective: Objective,
    recipe: PretrainingRecipe,
    steps: Collection[int],
    checkpoint: Checkpoint | None = None,
) -> PretrainingRun:
    """Train up to the last of `steps`; the schedule is that of the whole recipe.

    So which steps are wanted changes no bit of any of them.

    Args:
        objective: `prepare(recipe)` of the objective's module, just made.
        recipe: what to do.
        steps: after how many steps the weights are wanted.
        checkpoint: where the state is kept; None trains without one.

    Raises:
        UserError: no step is wanted, or one that the schedule does not have.
        Interrupted: a signal ended the training after its state was saved.
    """
    if not steps or not 0 <= min(steps) <= max(steps) <= recipe.steps:
        raise UserError(
            f"the schedule of this recipe has {recipe.steps} steps: weights can be kept after 0 "
            f"to {recipe.steps} of them, not {', '.join(map(str, steps)) or 'never'}."
        )
    run = PretrainingRun(objective, recipe, frozenset(steps))
    run.go_on(checkpoint)
    return run


class PretrainingRun:
    """Everything that changes during a pre-training.

    Attributes:
        snapshots: state dict of the model after each wanted step; 0 is the initialisation.
        rows: one per step.
    """

    def __init__(
        self, objective: Objective, recipe: PretrainingRecipe, steps: frozenset[int]
    ) -> None:
        self.objective, self.recipe, self.steps = objective, recipe, steps
        weights = list(objective.model.parameters())
        groups = [
            {"params": [w for w in weights if w.ndim >= 2], "weight_decay": recipe.weight_decay},
            {"params": [w for w in weights if w.ndim < 2], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(
            groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True
        )
        self.order = torch.empty(0, dtype=torch.int64)  # of the present epoch's examples
        self.rows: list[LogRow] = []
        self.snapshots: dict[int, dict[str, Tensor]] = {}

    def go_on(self, checkpoint: Checkpoint | None) -> None:
        """Train from the saved state, or the first step, to the last wanted step."""
        saved = checkpoint.load() if checkpoint else None
        if saved:
            self._restore(saved)
        elif 0 in self.steps:
            self._keep(0)
        last = max(self.steps)
        with (
            checkpoint or nullcontext(),
            Progress("pre-training", last, done=len(self.rows)) as progress,
        ):
            started = time.monotonic() - (self.rows[-1].seconds if self.rows else 0.0)
            for step in range(len(self.rows), last):
                loss = self._step(step)
                seconds = time.monotonic() - started
                self.rows.append(LogRow(step + 1, loss, self._learning_rate(step), seconds))
                if step + 1 in self.steps:
                    self._keep(step + 1)
                progress.update(values={"loss": loss})
                if checkpoint and step + 1 < last:
                    checkpoint.keep(self._state, f"step {step + 1}")

    def _step(self, step: int) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate(step)
        loss = self.objective.loss(self._batch(step))
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.objective.model.parameters(), 1.0)
        self.optimizer.step()
        self.objective.constrain()
        return loss.item()

    def _batch(self, step: int) -> Tensor:
        """Indices [batch]: a fresh order each epoch, without its incomplete last batch."""
        position, size = step % self.recipe.steps_per_epoch, self.recipe.batch_size
        if position == 0:
            self.order = torch.randperm(self.recipe.examples)
        return self.order[position * size : (position + 1) * size]

    def _learning_rate(self, step: int) -> float:
        """Linear warm-up, then half a cosine down to zero."""
        recipe = self.recipe
        warmup = min(1.0, (step + 1) / recipe.warmup_steps)
        return recipe.learning_rate * warmup * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))

    def _keep(self, step: int) -> None:
        state = self.objective.model.state_dict()
        self.snapshots[step] = {name: value.detach().clone() for name, value in state.items()}

    def _state(self) -> dict[str, Any]:
        return {
            "model": self.objective.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "order": self.order,
            "random": torch.get_rng_state(),
            "rows": [list(row) for row in self.rows],
            "snapshots": self.snapshots,
        }

    def _restore(self, saved: Mapping[str, Any]) -> None:
        self.objective.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.order, self.snapshots = saved["order"], saved["snapshots"]
        self.rows = [LogRow(*row) for row in saved["rows"]]
        torch.set_rng_state(saved["random"])
