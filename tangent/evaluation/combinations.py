"""Combinations of task vectors beyond the paper: chosen on validation data, then tested once.

Addition over subsets of the tasks, analogies (`directions`) and an α per task, of linearized models
alone: they take thousands of evaluations, each of which is a look-up there and
would be a pass over the images of the plain model.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tangent.arithmetic.alphas import choose_addition_alpha
from tangent.evaluation import addition, directions
from tangent.evaluation.edited_linearized import LinearizedEditedModel
from tangent.evaluation.evaluation_task import EvaluationTask
from tangent.jobs.progress import Progress

MOST_SWEEPS = 20
"""A search ends when a sweep over the tasks changes nothing, at the latest after as many."""


def choose(
    edited: LinearizedEditedModel,
    tasks: Sequence[EvaluationTask],
    single_task: Mapping[str, float],
    alphas: Sequence[float],
    subsets_per_size: int,
    analogies: Sequence[Sequence[str]],
) -> dict[str, Any]:
    """Every α that validation chooses; no test data is read.

    Args:
        edited: knows every task's vector and, as `sum`, their sum.
        tasks: all tasks of the study.
        single_task: the same mode's single-task accuracy on the validation split, by task.
        alphas: the grid of every coefficient.
        subsets_per_size: as for `directions.subsets`.
        analogies: four of these tasks each, “a is to b as c is to d”.

    Returns:
        `subsets`: tasks, α and mean normalised accuracy of each, that of all tasks last;
        `per_task_alpha`: the result of the search; `analogies`: each one's tasks, α, and the
        baseline's.
    """
    named = {task.name: task for task in tasks}
    lines = directions.Lines(edited, single_task, alphas)
    listed = directions.subsets(list(named), subsets_per_size)
    subsets = []
    with Progress("sums of task vectors, validation", len(listed), "subset") as progress:
        for subset in listed:
            direction = directions.of_subset(subset, named)
            members = [named[name] for name in subset]
            subsets.append({"tasks": list(subset)} | lines.choose(direction, members))
            progress.update()
    found = _alpha_per_task(lines, tasks, subsets[-1])
    chosen = []
    for analogy in analogies:
        entry: dict[str, Any] = dict(zip("abcd", analogy, strict=True))
        target = [named[entry["d"]]]
        for which, direction in directions.of_analogy(**entry).items():
            entry[f"{which}alpha"] = lines.choose(direction, target)["alpha"]
        chosen.append(entry)
    return {"subsets": subsets, "per_task_alpha": found, "analogies": chosen}


def coordinate_ascent(
    start: Mapping[str, float],
    value: float,
    alphas: Sequence[float],
    values_along: Callable[[str, Mapping[str, float]], Sequence[float]],
) -> dict[str, Any]:
    """Move one coordinate at a time to its best grid point, in turn, while that is an improvement.

    Ties go to the present coefficient, among better ones to the smallest.

    Args:
        start: coefficient of every coordinate, in the order of the sweeps.
        value: the objective at `start`.
        alphas: the grid of each coordinate.
        values_along: the objective at every grid point of the coordinate named, given the other
            coordinates' coefficients.

    Returns:
        `alphas`: the coefficient of every coordinate; `value`: the objective there, never less than
        at the start; `sweeps`: passes over all coordinates; `has_converged`: whether the last one
        changed nothing, so that no coordinate alone is better elsewhere on the grid.
    """
    present, has_moved, sweeps = dict(start), True, 0
    while has_moved and sweeps < MOST_SWEEPS:
        has_moved, sweeps = False, sweeps + 1
        for name in present:
            others = {other: alpha for other, alpha in present.items() if other != name}
            values = values_along(name, others)
            best = choose_addition_alpha(alphas, values)
            if max(values) > value:
                present[name], value, has_moved = best, max(values), True
    return {"alphas": present, "value": value, "sweeps": sweeps, "has_converged": not has_moved}


def _alpha_per_task(
    lines: directions.Lines, tasks: Sequence[EvaluationTask], shared: Mapping[str, Any]
) -> dict[str, Any]:
    """An α for each task's vector, from the one that all share on."""
    start = {task.name: shared["alpha"] for task in tasks}
    with Progress("an α per task, validation", MOST_SWEEPS * len(tasks), "line") as progress:

        def values_along(name: str, others: Mapping[str, float]) -> list[float]:
            values = lines.mean_normalized({name: 1.0}, tasks, others)
            progress.update(values={"normalized": max(values)})
            return values

        return coordinate_ascent(start, shared["normalized"], lines.alphas, values_along)


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
    subsets = []
    with Progress("sums of task vectors, test", len(chosen["subsets"]), "subset") as progress:
        for entry in chosen["subsets"]:
            members, alpha = entry["tasks"], entry["alpha"]
            at = directions.scaled(directions.of_subset(members, named), alpha)
            of = addition.evaluate(edited, [named[name] for name in members], single_task, at)
            means = {name: of[name] for name in ("absolute", "normalized")}
            subsets.append({"tasks": members, "alpha": alpha} | means)
            progress.update()
    shared, shared_alpha = of["tasks"], alpha  # the last subset is that of all tasks
    alphas = chosen["per_task_alpha"]["alphas"]
    own = addition.evaluate(edited, tasks, single_task, alphas)["tasks"]
    return {
        "subsets": subsets,
        "per_task_alpha": {
            name: {
                "alpha": alphas[name],
                "accuracy": own[name]["accuracy"],
                "normalized": own[name]["normalized"],
                "shared_alpha": shared_alpha,
                "shared_accuracy": shared[name]["accuracy"],
                "shared_normalized": shared[name]["normalized"],
                "n": own[name]["n"],
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
    found = dict(entry)
    for which, direction in directions.of_analogy(*(entry[name] for name in "abcd")).items():
        at = directions.scaled(direction, entry[f"{which}alpha"])
        found[f"{which}accuracy"] = target.accuracy(edited, at, "test").accuracy
    before = target.accuracy(edited, {}, "test")
    single = single_task[target.name]
    return found | {"zero_shot": before.accuracy, "single_task": single, "n": before.n}
