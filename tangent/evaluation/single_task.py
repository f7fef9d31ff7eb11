"""Accuracy of one task's fine-tuned model (α = 1) and of the pre-trained one (α = 0)."""

from __future__ import annotations

from collections.abc import Iterable

from tangent.evaluation.edited_model import EditedModel
from tangent.evaluation.evaluation_task import Accuracy, EvaluationTask
from tangent.evaluation.feature_tables import FeatureTable

SPLITS = ("validation", "test")


def single_task(edited: EditedModel, task: EvaluationTask) -> dict[str, Accuracy]:
    """Accuracy at θ0 + τ_t on both splits of task t (figures 2 and 5), by split."""
    return {split: task.accuracy(edited, {task.name: 1.0}, split) for split in SPLITS}


def zero_shot(
    initial: FeatureTable, tasks: Iterable[EvaluationTask]
) -> dict[str, dict[str, Accuracy]]:
    """Accuracy of f(x; θ0) on both splits of every task, by task and split."""
    return {
        task.name: {
            split: task.accuracy_of(initial.table(task.name, split), split) for split in SPLITS
        }
        for task in tasks
    }
