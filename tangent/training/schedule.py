"""The learning rate of each step (docs/protocol.md, "Fine-tuning")."""

from __future__ import annotations

import math


def learning_rate(step: int, peak: float, warmup_steps: int, steps: int) -> float:
    """Return the learning rate of a step.

    Args:
        step: counted from 0 to `steps` - 1.
        peak: learning rate at the end of the warm-up.
        warmup_steps: steps of the linear warm-up: peak · (step + 1) / warmup_steps.
        steps: steps of the whole training; the cosine would reach 0 at step `steps`.
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    share = (step - warmup_steps) / (steps - warmup_steps)
    return 0.5 * peak * (1 + math.cos(math.pi * share))
