"""Combinations of task vectors beyond the paper: chosen on validation data, then tested once.

Addition over subsets of the tasks (`subsets`), an α per task (`coordinates`) and analogies
(`analogies`), of linearized models alone: they take thousands of evaluations, each of which is a
look-up there and would be a pass over the images of the plain model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tangent.evaluation import coordinates, directions, task_subsets
from tangent.evaluation.analogies import Analogy
from tangent.evaluation.edited_linearized import LinearizedEditedModel
from tangent.evaluation.evaluation_task import EvaluationTask
from tangent.jobs.progress import Progress


def choose(
    edited: LinearizedEditedModel,
    tasks: Sequence[EvaluationTask],
    single_task: Mapping[str, float],
    alphas: Sequence[float],
    subsets_per_size: int,
    analogies: Sequence[Analogy],
) -> dict[str, Any]:
    """Every α that validation chooses; no test data is read.

    Args:
        edited: knows every task's vector and, as `sum`, their sum.
        tasks: all tasks of the study.
        single_task: the same mode's single-task accuracy on the validation split, by task.
        alphas: the grid of every coefficient.
        subsets_per_size: as for `task_subsets.subsets`.
        analogies: of these tasks.

    Returns:
        `subsets`: tasks, α and mean normalised accuracy of each, that of all tasks last;
        `per_task_alpha`: the result of the search; `analogies`: each one's tasks, α, and the
        baseline's.
    """
    named = {task.name: task for task in tasks}
    listed = task_subsets.subsets(list(named), subsets_per_size)
    choices = []
    with Progress("sums of task vectors, validation", len(listed), "subset") as progress:
        for subset in listed:
            direction = task_subsets.direction(subset, named)
            members = [named[name] for name in subset]
            choices.append(directions.choose(edited, direction, members, single_task, alphas))
            progress.update()
    found = coordinates.search(edited, tasks, single_task, alphas, shared=choices[-1])
    derived = []
    for analogy in analogies:
        target = [named[analogy.d]]
        own, baseline = (
            directions.choose(edited, direction, target, single_task, alphas).alpha
            for direction in (analogy.direction, analogy.baseline)
        )
        derived.append(asdict(analogy) | {"alpha": own, "baseline_alpha": baseline})
    return {
        "subsets": [
            {"tasks": list(subset)} | asdict(choice)
            for subset, choice in zip(listed, choices, strict=True)
        ],
        "per_task_alpha": asdict(found),
        "analogies": derived,
    }


def evaluate(
    edited: LinearizedEditedModel,
    tasks: Sequence[EvaluationTask],
    single_task: Mapping[str, float],
    chosen: Mapping[str, Any],
) -> dict[str, Any]:
    """Test accuracies at what `choose` chose.

    Args:
        edited, tasks: as for `choose`.
        single_task: the same mode's single-task accuracy on the test split, by task.
        chosen: what `choose` returned.

    Returns:
        `subsets`: tasks, α, `absolute` and `normalized` of each; `per_task_alpha`: by task, α and
        accuracy, and those of one shared α; `analogies`: accuracy on d, the baseline's, the
        pre-trained model's and the single-task one.
    """
    named = {task.name: task for task in tasks}
    sums = []
    with Progress("sums of task vectors, test", len(chosen["subsets"]), "subset") as progress:
        for entry in chosen["subsets"]:
            direction = task_subsets.direction(entry["tasks"], named)
            coefficients = directions.scaled(direction, entry["alpha"])
            members = [named[name] for name in entry["tasks"]]
            sums.append(directions.evaluate(edited, coefficients, members, single_task))
            progress.update()
    shared, shared_alpha = sums[-1], chosen["subsets"][-1]["alpha"]
    alphas = chosen["per_task_alpha"]["alphas"]
    own = directions.evaluate(edited, alphas, tasks, single_task)
    return {
        "subsets": [
            {
                "tasks": entry["tasks"],
                "alpha": entry["alpha"],
                "absolute": of.absolute,
                "normalized": of.normalized,
            }
            for entry, of in zip(chosen["subsets"], sums, strict=True)
        ],
        "per_task_alpha": {
            name: {
                "alpha": alphas[name],
                "accuracy": own.tasks[name].accuracy,
                "normalized": own.tasks[name].accuracy / single_task[name],
                "shared_alpha": shared_alpha,
                "shared_accuracy": shared.tasks[name].accuracy,
                "shared_normalized": shared.tasks[name].accuracy / single_task[name],
                "n": own.tasks[name].n,
            }
            for name in named
        },
        "analogies": [
            _tested_analogy(edited, named[entry["d"]], single_task, entry)
            for entry in chosen["analogies"]
        ],
    }


def _tested_analogy(
    edited: LinearizedEditedModel,
    target: EvaluationTask,
    single_task: Mapping[str, float],
    entry: Mapping[str, Any],
) -> dict[str, Any]:
    analogy = Analogy(*(entry[name] for name in "abcd"))
    at = {
        "accuracy": directions.scaled(analogy.direction, entry["alpha"]),
        "baseline_accuracy": directions.scaled(analogy.baseline, entry["baseline_alpha"]),
        "zero_shot": {},
    }
    measured = {
        name: target.accuracy(edited, coefficients, "test") for name, coefficients in at.items()
    }
    accuracies = {name: value.accuracy for name, value in measured.items()}
    single = {"single_task": single_task[target.name], "n": measured["zero_shot"].n}
    return {**entry, **accuracies, **single}
