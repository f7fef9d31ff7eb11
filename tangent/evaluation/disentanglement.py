"""Weight-disentanglement error ξ of a pair of tasks (section 4 of the paper); numpy only.

Convention: ξ(α1, α2) = Σ_{t=1,2} E_{x ~ D_t}[ 1[f(x; θ0 + α_t τ_t) and f(x; θ0 + α1 τ1 + α2 τ2)
predict different classes] ], a sum of two rates of disagreement, each with task t's own head: ξ is
in [0, 2].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tangent.evaluation.evaluation_task import EditedModel
from tangent.jobs.errors import UserError
from tangent.models.heads.head import Head, predictions


@dataclass(frozen=True)
class PairMember:
    """One task of the pair.

    Attributes:
        name: the task's name: of its data set, and of its vector in the edited model.
        head: the task's.
        rows: the images used, as indices into the split; all of them if None.
    """

    name: str
    head: Head
    rows: np.ndarray | None = None


@dataclass(frozen=True)
class DisentanglementError:
    """Rates of disagreement on a grid; rows are α1, columns α2.

    Attributes:
        alphas_1, alphas_2: the coefficients [points_1], [points_2].
        disagree_1, disagree_2: whether the two predictions differ on each image of task 1 and of
            task 2, bool [points_1, points_2, images].
    """

    alphas_1: np.ndarray
    alphas_2: np.ndarray
    disagree_1: np.ndarray
    disagree_2: np.ndarray

    @property
    def error_1(self) -> np.ndarray:
        """Rate of disagreement on images of task 1 [points_1, points_2], in [0, 1]."""
        return self.disagree_1.mean(axis=-1)

    @property
    def error_2(self) -> np.ndarray:
        """The same on images of task 2."""
        return self.disagree_2.mean(axis=-1)

    @property
    def error(self) -> np.ndarray:
        """ξ = error_1 + error_2 [points_1, points_2], in [0, 2]."""
        return self.error_1 + self.error_2

    def inside(self, limit: float) -> np.ndarray:
        """Which points of the grid have |α1|, |α2| ≤ `limit`, bool [points_1, points_2]."""
        inside = [np.abs(alphas) <= limit for alphas in (self.alphas_1, self.alphas_2)]
        return inside[0][:, None] & inside[1]


def disentanglement_error(
    edited: EditedModel,
    task_1: PairMember,
    task_2: PairMember,
    alphas_1: Sequence[float],
    alphas_2: Sequence[float] | None = None,
    split: str = "test",
    on_point: Callable[[], None] | None = None,
) -> DisentanglementError:
    """ξ(α1, α2) on a grid of coefficients.

    The edited model is asked point by point, both data sets of a point in turn, and never where the
    other coefficient is exactly 0: there the joint edit is the single one, and the error 0.

    Args:
        edited: gives features at θ0 + α1 τ1 + α2 τ2 for the data sets of both tasks.
        task_1, task_2: two different tasks.
        alphas_1: coefficients of τ1.
        alphas_2: coefficients of τ2; those of τ1 if None.
        split: which images.
        on_point: called after each point of the grid, for progress.

    Raises:
        UserError: the two tasks are one, a grid is empty, or the edited model lacks a task vector
            or a data set.
    """
    first = np.asarray(alphas_1, dtype=float)
    second = first if alphas_2 is None else np.asarray(alphas_2, dtype=float)
    if task_1.name == task_2.name:
        raise UserError(
            f"the pair is {task_1.name} twice: the disentanglement error compares two tasks."
        )
    if first.size == 0 or second.size == 0:
        raise UserError("a grid of coefficients is empty: give at least one α for each task.")

    def predict(task: PairMember, alpha_1: float, alpha_2: float) -> np.ndarray:
        pair = {task_1.name: alpha_1, task_2.name: alpha_2}
        coefficients = {name: float(alpha) for name, alpha in pair.items() if alpha != 0}
        return predictions(edited.features(coefficients, task.name, split, task.rows), task.head)

    single_1 = [predict(task_1, alpha, 0.0) for alpha in first]
    single_2 = [predict(task_2, 0.0, alpha) for alpha in second]
    disagree_1, disagree_2 = (
        np.zeros((first.size, second.size, len(single[0])), dtype=bool)
        for single in (single_1, single_2)
    )
    for i, alpha_1 in enumerate(first):
        for j, alpha_2 in enumerate(second):
            if alpha_2 != 0:
                disagree_1[i, j] = predict(task_1, alpha_1, alpha_2) != single_1[i]
            if alpha_1 != 0:
                disagree_2[i, j] = predict(task_2, alpha_1, alpha_2) != single_2[j]
            if on_point is not None:
                on_point()
    return DisentanglementError(first, second, disagree_1, disagree_2)
