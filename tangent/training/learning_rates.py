"""The choice of a learning rate by validation (docs/protocol.md, "Fine-tuning"); numpy only."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np

from tangent.jobs.errors import UserError

SPLIT = "validation"
"""The only images that a learning rate is chosen on."""

MEAN = "mean"
"""What the mean over the tasks is called where a row has its task's name."""


def choose(accuracies: Mapping[float, Mapping[str, float]]) -> float:
    """The rate of the highest mean single-task validation accuracy; ties go to the smallest rate.

    Args:
        accuracies: by rate and task; the tasks of all rates are the same.

    Raises:
        UserError: there are none, the tasks differ, or an accuracy is not a number.
    """
    tasks = {frozenset(by_task) for by_task in accuracies.values()}
    if len(tasks) != 1 or not next(iter(tasks)):
        raise UserError(
            f"accuracies at {len(accuracies)} learning rates: give the same tasks for each of them."
        )
    means = {rate: fmean(by_task.values()) for rate, by_task in accuracies.items()}
    if not all(map(math.isfinite, means.values())):
        raise UserError("a validation accuracy is not a number: nothing is chosen from it.")
    return max(sorted(means), key=means.__getitem__)


def check_inside(grid: Sequence[float], chosen: float, key: str, about: str) -> None:
    """Check that the rate chosen from a grid has a smaller and a larger one beside it.

    `key` is the grid's in the configuration, and `about` says whose rate it is, for the message.

    Raises:
        UserError: it is an end of the grid; the message names the rate to add.
    """
    rates = sorted(grid)
    end = {rates[0]: ("smallest", rates[1]), rates[-1]: ("largest", rates[-2])}
    if chosen in end:
        what, neighbour = end[chosen]
        raise UserError(
            f"{key}: {chosen:g}, the {what} rate, has the best mean single-task validation "
            f"accuracy of {about}, so a better one may lie beyond it: add "
            f"{chosen * chosen / neighbour:.1e} to the grid. Trainings that are made stay and are "
            "used again."
        )


def paired_standard_error(first: np.ndarray, second: np.ndarray) -> float:
    """Standard error of the difference of two accuracies that were measured on the same images.

    It is s/√n, where s is the standard deviation (n − 1) of the differences of the outcomes.

    Args:
        first, second: which images were right, bool [n].

    Returns:
        A fraction; NaN for a single image.
    """
    difference = first.astype(float) - second.astype(float)
    if len(difference) < 2:
        return math.nan
    return float(difference.std(ddof=1) / math.sqrt(len(difference)))


def standard_error_of_mean(errors: Sequence[float]) -> float:
    """Standard error of the mean over T tasks with images of their own: √(Σ SE²) / T."""
    return math.sqrt(math.fsum(error**2 for error in errors)) / len(errors)
