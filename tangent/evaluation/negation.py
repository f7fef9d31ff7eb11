"""Task negation: forget task t with θ0 − α τ_t and keep the control task (section 5, table 2)."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tangent.evaluation.evaluation_task import SPLIT, EditedModel, EvaluationTask, SweepPoint
from tangent.jobs.progress import Progress


def pretrained(
    edited: EditedModel, tasks: Iterable[EvaluationTask], split: str
) -> dict[str, float]:
    """Accuracy of the pre-trained model, the edited one at α = 0, on `split`, by task."""
    return {task.name: task.accuracy(edited, {}, split).accuracy for task in tasks}


def sweep(
    edited: EditedModel,
    target: EvaluationTask,
    control: EvaluationTask,
    alphas: Sequence[float],
    pretrained: Mapping[str, float],
) -> list[SweepPoint]:
    """Validation accuracy on the target and on the control task at every α.

    Args:
        edited: knows the target's task vector.
        target: the task to forget.
        control: the task to keep.
        alphas: the grid; the weights are θ0 − α τ.
        pretrained: accuracy of the pre-trained model on the validation split, by task.
    """
    points = []
    with Progress(
        f"negation of {target.name}, validation", 2 * len(alphas), "evaluation"
    ) as progress:
        for alpha in alphas:
            for task in (target, control):
                accuracy = task.accuracy(edited, {target.name: -alpha}, SPLIT).accuracy
                # No choice uses it: a model that gets no target image right may be negated too.
                reference = pretrained[task.name]
                normalized = accuracy / reference if reference > 0 else math.nan
                points.append(SweepPoint(alpha, task.name, SPLIT, accuracy, normalized))
                progress.update(values={"alpha": alpha, "accuracy": accuracy})
    return points


def evaluate(
    edited: EditedModel, target: EvaluationTask, control: EvaluationTask, alpha: float
) -> dict[str, Any]:
    """Test accuracy of both tasks at θ0 − α τ, with its outcomes, and at θ0."""
    on_target = target.accuracy(edited, {target.name: -alpha}, "test")
    on_control = control.accuracy(edited, {target.name: -alpha}, "test")
    before = pretrained(edited, (target, control), "test")
    return {
        "alpha": alpha,
        "target": on_target.accuracy,
        "control": on_control.accuracy,
        "n_target": on_target.n,
        "n_control": on_control.n,
        "outcomes_target": on_target.outcomes,
        "outcomes_control": on_control.outcomes,
        "target_pretrained": before[target.name],
        "control_pretrained": before[control.name],
    }
