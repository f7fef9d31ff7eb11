"""Numerical check of proposition 1 on a kernel matrix (section 6 of the paper); numpy only.

Proposition 1: kernel regression can do task arithmetic on tasks {f_t, D_t} if each task is
represented by eigenfunctions that are localized on its D_t. The tangent kernel K of T tasks'
images is therefore weakened between tasks by a coupling c in [0, 1],
K_c = blockdiag(K) + c (K − blockdiag(K)), a convex combination of two kernels and so a kernel. At
c = 0 every eigenfunction is localized and the tasks cannot interfere; at c = 1 K_c is K.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tangent.jobs.errors import UserError


@dataclass(frozen=True)
class CouplingResult:
    """What one coupling gives.

    Attributes:
        coupling: c in [0, 1].
        localization: largest share of an eigenfunction's energy on one task, the mean over the
            leading eigenfunctions weighted by eigenvalue: 1/T if spread evenly, 1 if localized.
        interference: mean over tasks s of ‖Σ_{t≠s} f_t(D_s)‖² / ‖f_s(D_s)‖²: 0 if the sum of all
            tasks' functions is f_s on D_s, as task arithmetic wants it.
        own: f_s(x) of the image's own task s, at each image [N].
        others: Σ_{t≠s} f_t(x) of the other tasks, at each image [N].
    """

    coupling: float
    localization: float
    interference: float
    own: np.ndarray = field(compare=False, repr=False)
    others: np.ndarray = field(compare=False, repr=False)


def check_proposition1(
    gram: np.ndarray,
    tasks: Sequence[int] | np.ndarray,
    targets: np.ndarray,
    couplings: Sequence[float],
    components: int = 10,
    ridge: float = 1e-3,
) -> list[CouplingResult]:
    """Localization of eigenfunctions and interference of tasks, for each coupling.

    Each f_t is kernel ridge regression on its own D_t; their sum is what task arithmetic gives.

    Args:
        gram: kernel K [N, N] on the images of all tasks, positive semi-definite.
        tasks: the task of each image [N], any labels.
        targets: the value to learn on each image [N]; centred and scaled to unit norm per task
            here, so that tasks count alike.
        couplings: values c in [0, 1].
        components: leading eigenfunctions per task that localization looks at (T × components).
        ridge: ridge penalty, relative to the mean of K's diagonal.

    Raises:
        UserError: shapes differ, fewer than two tasks, a task whose targets are constant, a
            coupling outside [0, 1], or a penalty or a number of components that is not positive.
    """
    gram = np.asarray(gram, dtype=np.float64)
    targets = np.asarray(targets, dtype=np.float64)
    blocks = _blocks(gram, np.asarray(tasks), targets)
    if not (ridge > 0 and components > 0 and all(0 <= c <= 1 for c in couplings)):
        raise UserError(
            f"couplings {list(couplings)} must be in [0, 1], ridge ({ridge}) and components "
            f"({components}) positive."
        )
    weights = _regressions(gram, blocks, targets, ridge)
    results = []
    for coupling in couplings:
        coupled = coupling * gram
        for rows in blocks:
            coupled[np.ix_(rows, rows)] = gram[np.ix_(rows, rows)]
        own, others = np.zeros((2, len(gram)))
        for s, rows in enumerate(blocks):
            answers = [coupled[np.ix_(rows, of)] @ a for of, a in zip(blocks, weights, strict=True)]
            own[rows] = answers.pop(s)
            others[rows] = sum(answers)
        of_tasks = [float(others[s] @ others[s]) / float(own[s] @ own[s]) for s in blocks]
        localization = _localization(coupled, blocks, coupling == 0, components * len(blocks))
        interference = float(np.mean(of_tasks))
        results.append(CouplingResult(float(coupling), localization, interference, own, others))
    return results


def _blocks(gram: np.ndarray, tasks: np.ndarray, targets: np.ndarray) -> list[np.ndarray]:
    n = len(tasks)
    if gram.shape != (n, n) or targets.shape != (n,):
        raise UserError(
            f"a kernel of shape {gram.shape}, tasks of {n} images and targets of shape "
            f"{targets.shape} do not belong together: give one of each per image."
        )
    blocks = [np.flatnonzero(tasks == task) for task in np.unique(tasks)]
    if len(blocks) < 2:
        raise UserError("proposition 1 compares tasks: give images of at least two.")
    return blocks


def _regressions(
    gram: np.ndarray, blocks: list[np.ndarray], targets: np.ndarray, ridge: float
) -> list[np.ndarray]:
    """Weights a_t with f_t(x) = Σ_{i ∈ D_t} k(x, x_i) a_ti; no coupling changes them."""
    penalty = ridge * gram.diagonal().mean()
    weights = []
    for rows in blocks:
        centred = targets[rows] - targets[rows].mean()
        norm = np.linalg.norm(centred)
        if norm <= 1e-12 * np.abs(targets[rows]).max(initial=1e-300):
            raise UserError(
                "the targets of a task are all the same: there is nothing to learn on it; choose "
                "targets that vary over its images."
            )
        within = gram[np.ix_(rows, rows)] + penalty * np.eye(len(rows))
        weights.append(np.linalg.solve(within, centred / norm))
    return weights


def _localization(
    kernel: np.ndarray, blocks: list[np.ndarray], is_uncoupled: bool, components: int
) -> float:
    if is_uncoupled:
        # Block by block: eigenvalues that two blocks share would mix their eigenvectors otherwise.
        values = np.concatenate([np.linalg.eigvalsh(kernel[np.ix_(of, of)]) for of in blocks])
        shares = np.ones(len(values))
    else:
        values, vectors = np.linalg.eigh(kernel)
        shares = np.max([np.square(vectors[rows]).sum(axis=0) for rows in blocks], axis=0)
    leading = np.argsort(-values, kind="stable")[:components]
    weight = np.maximum(values[leading], 0.0)
    # Rounding may lead a weighted mean of ones past one.
    return min(1.0, float(weight @ shares[leading] / weight.sum()))
