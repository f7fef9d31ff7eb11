"""Points of the two α sweeps: one observation per α and task, on validation data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from tangent.jobs.files import write_csv

COLUMNS = ("alpha", "task", "split", "accuracy", "normalized")
SPLIT = "validation"


@dataclass(frozen=True)
class SweepPoint:
    """Accuracy at one α on one task.

    Attributes:
        alpha: coefficient of the task vector, as the operation is written (negation subtracts it).
        task: the data set.
        split: always `validation`: α is never chosen with test data.
        accuracy: in [0, 1].
        normalized: accuracy / reference accuracy on the same split; single-task (addition) or
            pre-trained (negation; not a number where that is zero).
    """

    alpha: float
    task: str
    split: str
    accuracy: float
    normalized: float


def write_sweep(path: Path, points: Iterable[SweepPoint], about: Mapping[str, Any]) -> None:
    """Write the sweep as sweep.csv, one row a point, each with the columns `about`."""
    write_csv(path, COLUMNS, [astuple(point) for point in points], about)
