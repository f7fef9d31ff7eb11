"""Task addition with one shared α: θ0 + α τ, τ merged of all tasks' (section 5, table 1)."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from tangent.arithmetic.alphas import choose_addition_alpha
from tangent.evaluation.evaluation_task import SPLIT, EditedModel, EvaluationTask, SweepPoint
from tangent.jobs.progress import Progress
from tangent.models.heads.head import normalized_accuracy


def sweep(
    edited: EditedModel,
    tasks: Sequence[EvaluationTask],
    single_task: Mapping[str, float],
    alphas: Sequence[float],
    vector: str,
) -> list[SweepPoint]:
    """Validation accuracy of every task at every α.

    Args:
        edited: knows the vector.
        tasks: the tasks that are added.
        single_task: the same mode's single-task accuracy on the validation split, by task.
        alphas: the grid.
        vector: name of the merged task vector: the method's.
    """
    points = []
    with Progress("addition, validation", len(alphas) * len(tasks), "evaluation") as progress:
        for alpha in alphas:
            for task in tasks:
                accuracy = task.accuracy(edited, {vector: alpha}, SPLIT).accuracy
                normalized = _ratio(accuracy, single_task, task.name)
                points.append(SweepPoint(alpha, task.name, SPLIT, accuracy, normalized))
                progress.update(values={"alpha": alpha, "accuracy": accuracy})
    return points


def choose(points: Sequence[SweepPoint], alphas: Sequence[float]) -> float:
    """The α of the highest mean normalised validation accuracy; ties go to the smallest."""
    means = [
        fmean(point.normalized for point in points if point.alpha == alpha) for alpha in alphas
    ]
    return choose_addition_alpha(alphas, means)


def evaluate(
    edited: EditedModel,
    tasks: Sequence[EvaluationTask],
    single_task: Mapping[str, float],
    coefficients: Mapping[str, float],
) -> dict[str, Any]:
    """Test accuracy at the chosen coefficients, by task under `tasks`, with its outcomes.

    `absolute` and `normalized` are means over the tasks.

    Args:
        edited, tasks: as for `sweep`.
        single_task: the same mode's single-task accuracy on the test split, by task.
        coefficients: α by name of the task vector.
    """
    measured = {task.name: task.accuracy(edited, coefficients, "test") for task in tasks}
    accuracies = {name: value.accuracy for name, value in measured.items()}
    per_task = {
        name: {
            "accuracy": value.accuracy,
            "normalized": _ratio(value.accuracy, single_task, name),
            "n": value.n,
            "outcomes": value.outcomes,
        }
        for name, value in measured.items()
    }
    return {
        "absolute": fmean(accuracies.values()),
        "normalized": normalized_accuracy(
            accuracies, {name: single_task[name] for name in measured}
        ),
        "tasks": per_task,
    }


def _ratio(accuracy: float, single_task: Mapping[str, float], task: str) -> float:
    return normalized_accuracy({task: accuracy}, {task: single_task[task]})
