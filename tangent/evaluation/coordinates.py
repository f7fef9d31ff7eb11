"""An α per task, θ0 + Σ α_t τ_t, by coordinate ascent on validation data (beyond the paper)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tangent.arithmetic.alphas import choose_addition_alpha
from tangent.evaluation.directions import Choice, mean_normalized
from tangent.evaluation.edited_linearized import LinearizedEditedModel
from tangent.evaluation.evaluation_task import EvaluationTask
from tangent.jobs.progress import Progress

MOST_SWEEPS = 20
"""A search ends when a sweep over the tasks changes nothing, at the latest after as many."""


@dataclass(frozen=True)
class Ascent:
    """Where a coordinate ascent ended.

    Attributes:
        alphas: the coefficient of every coordinate.
        value: the objective there; never less than where it started.
        sweeps: passes over all coordinates.
        has_converged: whether the last one changed nothing: no coordinate alone is better elsewhere
            on the grid.
    """

    alphas: dict[str, float]
    value: float
    sweeps: int
    has_converged: bool


def coordinate_ascent(
    start: Mapping[str, float],
    value: float,
    alphas: Sequence[float],
    values_along: Callable[[str, Mapping[str, float]], Sequence[float]],
) -> Ascent:
    """Move one coordinate at a time to its best grid point, in turn, while that is an improvement.

    Ties go to the present coefficient, among better ones to the smallest.

    Args:
        start: coefficient of every coordinate, in the order of the sweeps.
        value: the objective at `start`.
        alphas: the grid of each coordinate.
        values_along: the objective at every grid point of the coordinate named, given the other
            coordinates' coefficients.
    """
    present = dict(start)
    for sweep in range(1, MOST_SWEEPS + 1):
        has_moved = False
        for name in present:
            others = {other: alpha for other, alpha in present.items() if other != name}
            values = values_along(name, others)
            best = choose_addition_alpha(alphas, values)
            if max(values) > value:
                present[name], value, has_moved = best, max(values), True
        if not has_moved:
            return Ascent(present, value, sweep, True)
    return Ascent(present, value, MOST_SWEEPS, False)


def search(
    edited: LinearizedEditedModel,
    tasks: Sequence[EvaluationTask],
    single_task: Mapping[str, float],
    alphas: Sequence[float],
    shared: Choice,
) -> Ascent:
    """An α for each task's vector, from the shared one on: mean normalised validation accuracy.

    Args:
        edited: knows every task's vector.
        tasks: the tasks that are added.
        single_task: the same mode's single-task accuracy on the validation split, by task.
        alphas: the grid of every α_t.
        shared: the choice of one α for all.
    """
    start = {task.name: shared.alpha for task in tasks}
    with Progress("an α per task, validation", MOST_SWEEPS * len(tasks), "line") as progress:

        def values_along(name: str, others: Mapping[str, float]) -> list[float]:
            values = mean_normalized(edited, {name: 1.0}, tasks, single_task, alphas, others)
            progress.update(values={"normalized": max(values)})
            return values

        return coordinate_ascent(start, shared.normalized, alphas, values_along)
