"""θ0 + α Σ c_t τ_t with given c_t: α is chosen on validation data, and tested once.

Beyond the paper, which has one such direction, the sum of all task vectors (`addition`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from tangent.arithmetic.alphas import choose_addition_alpha
from tangent.evaluation.edited_linearized import LinearizedEditedModel
from tangent.evaluation.edited_model import EditedModel
from tangent.evaluation.evaluation_task import Accuracy, EvaluationTask
from tangent.evaluation.sweep import SPLIT
from tangent.models.heads.head import normalized_accuracy


@dataclass(frozen=True)
class Choice:
    """What validation chose.

    Attributes:
        alpha: coefficient of the direction.
        normalized: mean normalised accuracy on the validation split.
    """

    alpha: float
    normalized: float


@dataclass(frozen=True)
class Tested:
    """Test accuracies of one edited model.

    Attributes:
        tasks: accuracy by task.
        absolute: mean accuracy over the tasks.
        normalized: mean over the tasks of accuracy / single-task accuracy.
    """

    tasks: Mapping[str, Accuracy]
    absolute: float
    normalized: float


def choose(
    edited: LinearizedEditedModel,
    direction: Mapping[str, float],
    tasks: Sequence[EvaluationTask],
    single_task: Mapping[str, float],
    alphas: Sequence[float],
) -> Choice:
    """The α of the highest mean normalised validation accuracy; ties go to the smallest.

    Args:
        edited: knows the direction's task vectors.
        direction: c_t by name of the task vector.
        tasks: those whose accuracy counts.
        single_task: the same mode's single-task accuracy on the validation split, by task.
        alphas: the grid.
    """
    values = mean_normalized(edited, direction, tasks, single_task, alphas)
    alpha = choose_addition_alpha(alphas, values)
    return Choice(alpha, values[list(alphas).index(alpha)])


def mean_normalized(
    edited: LinearizedEditedModel,
    direction: Mapping[str, float],
    tasks: Sequence[EvaluationTask],
    single_task: Mapping[str, float],
    alphas: Sequence[float],
    origin: Mapping[str, float] | None = None,
) -> list[float]:
    """Mean over `tasks` of the normalised validation accuracy, at every α.

    Args:
        edited, direction, tasks, single_task, alphas: as for `choose`.
        origin: coefficients of task vectors that do not vary; α is added to them.
    """
    accuracies = {}
    for task in tasks:
        features_at = edited.line(direction, task.name, SPLIT, origin)
        accuracies[task.name] = [
            task.accuracy_of(features_at(alpha), SPLIT).accuracy for alpha in alphas
        ]
    references = {task.name: single_task[task.name] for task in tasks}
    return [
        normalized_accuracy({name: of[i] for name, of in accuracies.items()}, references)
        for i in range(len(alphas))
    ]


def evaluate(
    edited: EditedModel,
    coefficients: Mapping[str, float],
    tasks: Sequence[EvaluationTask],
    single_task: Mapping[str, float],
) -> Tested:
    """Test accuracy of `tasks` at θ0 + Σ α_t τ_t.

    Args:
        edited: knows the task vectors.
        coefficients: α_t by name of the task vector.
        tasks: those whose accuracy counts.
        single_task: the same mode's single-task accuracy on the test split, by task.
    """
    measured = {task.name: task.accuracy(edited, coefficients, "test") for task in tasks}
    accuracies = {name: value.accuracy for name, value in measured.items()}
    return Tested(
        measured,
        fmean(accuracies.values()),
        normalized_accuracy(accuracies, {name: single_task[name] for name in measured}),
    )


def scaled(direction: Mapping[str, float], alpha: float) -> dict[str, float]:
    """The coefficients α c_t."""
    return {name: alpha * coefficient for name, coefficient in direction.items()}
