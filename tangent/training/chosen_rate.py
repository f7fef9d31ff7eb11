"""The learning rate that a search has chosen, as fine-tuning reads it.

A module of its own: what an edit of it changes is a training.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tangent.jobs.errors import UserError
from tangent.jobs.files import read_record


def chosen_learning_rate(path: Path, **expected: Any) -> float:
    """The learning rate that validation chose, from chosen.json."""
    rate = read_record(path, split="validation", **expected).get("learning_rate")
    if not isinstance(rate, int | float):
        raise UserError(
            f"{path} holds no number `learning_rate`: delete it and run its step again."
        )
    return float(rate)
