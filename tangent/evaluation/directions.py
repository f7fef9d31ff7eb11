"""Directions Σ c_t τ_t beyond the paper's sum of all task vectors, and the α along one.

They are sums over some of the tasks, and analogies: “a is to b as c is to d”.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from tangent.arithmetic.alphas import choose_addition_alpha
from tangent.arithmetic.merging import SUM
from tangent.evaluation.edited_linearized import LinearizedEditedModel
from tangent.evaluation.evaluation_task import SPLIT, EvaluationTask
from tangent.models.heads.head import normalized_accuracy


def subsets(tasks: Sequence[str], per_size: int) -> list[tuple[str, ...]]:
    """Subsets of every size from 1 to that of all tasks, tasks in their given order.

    Args:
        tasks: names of all tasks.
        per_size: a size has all of its subsets if there are no more, otherwise this many of them,
            drawn at random; every call draws the same.
    """
    found = []
    for size in range(1, len(tasks) + 1):
        if comb(len(tasks), size) <= per_size:
            found += combinations(tasks, size)
        else:
            rows = _drawn(len(tasks), size, per_size)
            found += [tuple(tasks[row] for row in subset) for subset in rows]
    return found


def _drawn(n: int, size: int, number: int) -> list[tuple[int, ...]]:
    """`number` different subsets of `size` of n things, in lexicographic order."""
    # RandomState and not default_rng: numpy promises that its streams never change.
    random = np.random.RandomState(size)
    chosen: set[tuple[int, ...]] = set()
    while len(chosen) < number:
        chosen.add(tuple(sorted(random.permutation(n)[:size].tolist())))
    return sorted(chosen)


def of_subset(subset: Collection[str], tasks: Collection[str]) -> dict[str, float]:
    """Σ τ_t over a subset of all `tasks`; that of all is the stored sum, as in table 1."""
    return {SUM: 1.0} if set(subset) == set(tasks) else dict.fromkeys(subset, 1.0)


def of_analogy(a: str, b: str, c: str, d: str) -> dict[str, dict[str, float]]:
    """The direction τ_c + τ_b − τ_a for task d, whose own vector plays no part, and τ_c alone.

    They are named by what the keys of their results begin with: the second is the baseline.
    """
    return {"": {c: 1.0, b: 1.0, a: -1.0}, "baseline_": {c: 1.0}}


def scaled(direction: Mapping[str, float], alpha: float) -> dict[str, float]:
    """The coefficients α c_t."""
    return {name: alpha * coefficient for name, coefficient in direction.items()}


@dataclass(frozen=True)
class Lines:
    """Validation accuracy along lines in the space of weights, of a linearized model.

    Attributes:
        edited: knows the task vectors.
        single_task: the same mode's single-task accuracy on the validation split, by task.
        alphas: the grid.
    """

    edited: LinearizedEditedModel
    single_task: Mapping[str, float]
    alphas: Sequence[float]

    def choose(
        self, direction: Mapping[str, float], tasks: Sequence[EvaluationTask]
    ) -> dict[str, float]:
        """The `alpha` of the highest mean `normalized` accuracy; ties go to the smallest."""
        values = self.mean_normalized(direction, tasks)
        alpha = choose_addition_alpha(self.alphas, values)
        return {"alpha": alpha, "normalized": values[list(self.alphas).index(alpha)]}

    def mean_normalized(
        self,
        direction: Mapping[str, float],
        tasks: Sequence[EvaluationTask],
        origin: Mapping[str, float] | None = None,
    ) -> list[float]:
        """Mean over `tasks` of the normalised accuracy at θ0 + Σ origin_t τ_t + α Σ c_t τ_t.

        Args:
            direction: c_t by name of the task vector.
            tasks: those whose accuracy counts.
            origin: coefficients of task vectors that do not vary, none if None.

        Returns:
            for every α of the grid.
        """
        accuracies = {}
        for task in tasks:
            features_at = self.edited.line(direction, task.name, SPLIT, origin)
            accuracies[task.name] = [
                task.accuracy_of(features_at(alpha), SPLIT).accuracy for alpha in self.alphas
            ]
        references = {task.name: self.single_task[task.name] for task in tasks}
        return [
            normalized_accuracy({name: of[i] for name, of in accuracies.items()}, references)
            for i in range(len(self.alphas))
        ]
