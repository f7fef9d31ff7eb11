"""Ways of merging the task vectors of several tasks into one, which α then scales.

A module per method, named as the configuration's key `merging` names it. It has `merge(vectors)`,
of the tasks' vectors in the study's order. Planning reads the names alone: no torch here.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tangent.jobs.errors import UserError

if TYPE_CHECKING:
    from tangent.arithmetic.task_vector import TaskVector

METHODS = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))
SUM = "sum"
"""The paper's method, and the only one that is linear in every task vector."""


def merge_by(method: str, vectors: Sequence[TaskVector]) -> TaskVector:
    """One vector from those of several tasks, in their order, by one of `METHODS`.

    Raises:
        UserError: there is no such method, no vector, or names or shapes differ.
    """
    if method not in METHODS:
        raise UserError(f"unknown merging method {method!r}: there are {', '.join(METHODS)}.")
    if not vectors:
        raise UserError("there is no task vector to merge: give at least one.")
    return importlib.import_module(f"{__name__}.{method}").merge(vectors)
