"""Results of earlier steps, as later steps read them: checked to be of the study asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tangent.jobs.errors import UserError
from tangent.jobs.files import read_record


def single_task_accuracies(
    paths: Mapping[str, Path], tasks: Sequence[str], split: str, **expected: Any
) -> dict[str, float]:
    """Single-task accuracy on `split` of each of `tasks`, from its accuracy.json.

    Raises:
        UserError: a task has no file, or the file is not of this task and what is `expected`.
    """
    missing = [task for task in tasks if task not in paths]
    if missing:
        raise UserError(
            f"no single-task accuracy of {', '.join(missing)}: give it too (--single-task "
            "TASK=FILE, made by scripts.single_task)."
        )
    return {
        task: _accuracy(paths[task], read_record(paths[task], task=task, **expected), split)
        for task in tasks
    }


def chosen_alpha(path: Path, **expected: Any) -> float:
    """The α that validation chose, from alpha.json."""
    alpha = read_record(path, split="validation", **expected).get("alpha")
    if not isinstance(alpha, int | float):
        raise UserError(f"{path} holds no number `alpha`: delete it and run its step again.")
    return float(alpha)


def _accuracy(path: Path, content: Mapping[str, Any], split: str) -> float:
    try:
        return float(content[split]["accuracy"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} holds no accuracy on split {split!r}: delete it and run its step again."
        ) from error
