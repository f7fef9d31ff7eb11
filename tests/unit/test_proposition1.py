"""Proposition 1 on kernels whose eigenfunctions and interference are known."""

from __future__ import annotations

import numpy as np
import pytest

from tangent.jobs.errors import UserError
from tangent.kernels.coupling import check_proposition1

COUPLINGS = [0.0, 0.25, 0.5, 1.0]


def random_problem(
    rng: np.random.Generator, sizes: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    tasks = np.repeat(np.arange(len(sizes)), sizes)
    factors = rng.normal(size=(len(tasks), 2 * len(tasks)))
    return factors @ factors.T, tasks, rng.normal(size=len(tasks))


def test_without_coupling_nothing_interferes(rng: np.random.Generator) -> None:
    first = check_proposition1(*random_problem(rng, (7, 5, 6)), COUPLINGS)[0]
    assert first.coupling == 0
    assert first.localization == pytest.approx(1)
    assert first.interference == 0


def test_equal_blocks_without_coupling_are_localized(rng: np.random.Generator) -> None:
    """Eigenvalues shared by two tasks must not mix their eigenvectors."""
    block, _, targets = random_problem(rng, (6,))
    gram = np.kron(np.eye(2), block)
    rows = check_proposition1(gram, np.repeat([0, 1], 6), np.tile(targets, 2), [0.0])
    assert rows[0].localization == pytest.approx(1)


def test_two_copies_of_one_task_interfere_fully(rng: np.random.Generator) -> None:
    """With equal images f_1 and f_2 are one function, and eigenfunctions are spread."""
    block, _, targets = random_problem(rng, (6,))
    gram = np.kron(np.ones((2, 2)), block)
    last = check_proposition1(gram, np.repeat([0, 1], 6), np.tile(targets, 2), [1.0], components=3)[
        0
    ]
    assert last.interference == pytest.approx(1)
    assert last.localization == pytest.approx(0.5)


def test_interference_is_that_of_regressions_by_hand(rng: np.random.Generator) -> None:
    gram, tasks, targets = random_problem(rng, (4, 6, 5))
    ridge = 0.05
    for row in check_proposition1(gram, tasks, targets, COUPLINGS, ridge=ridge):
        coupled = np.where(tasks[:, None] == tasks[None], gram, row.coupling * gram)
        assert np.linalg.eigvalsh(coupled).min() > -1e-9 * np.abs(gram).max()
        answers = []
        for task in range(3):
            rows = tasks == task
            y = targets[rows] - targets[rows].mean()
            penalty = ridge * np.mean(np.diag(gram)) * np.eye(rows.sum())
            inverse = np.linalg.inv(coupled[rows][:, rows] + penalty)
            answers.append(coupled[:, rows] @ inverse @ (y / np.linalg.norm(y)))
        ratios = []
        for s in range(3):
            on_s = tasks == s
            others = sum(answers[t][on_s] for t in range(3) if t != s)
            ratios.append(np.sum(others**2) / np.sum(answers[s][on_s] ** 2))
            np.testing.assert_allclose(row.own[on_s], answers[s][on_s])
            np.testing.assert_allclose(row.others[on_s], others)
        assert row.interference == pytest.approx(np.mean(ratios))


def test_localization_is_the_share_of_eigenvectors_counted_by_hand(
    rng: np.random.Generator,
) -> None:
    gram, tasks, targets = random_problem(rng, (4, 6))
    row = check_proposition1(gram, tasks, targets, [0.5], components=2)[0]
    coupled = np.where(tasks[:, None] == tasks[None], gram, 0.5 * gram)
    values, vectors = np.linalg.eigh(coupled)
    total = weight = 0.0
    for value, vector in list(zip(values, vectors.T, strict=True))[-4:]:
        energy = [sum(vector[i] ** 2 for i in np.flatnonzero(tasks == t)) for t in (0, 1)]
        total, weight = total + value * max(energy), weight + value
    assert row.localization == pytest.approx(total / weight)


def test_more_coupling_never_interferes_less(rng: np.random.Generator) -> None:
    rows = check_proposition1(*random_problem(rng, (8, 8)), COUPLINGS)
    assert [row.coupling for row in rows] == COUPLINGS
    interference = [row.interference for row in rows]
    assert interference == sorted(interference)
    assert all(0.5 <= row.localization <= 1 for row in rows)


def test_what_cannot_be_checked_is_refused(rng: np.random.Generator) -> None:
    gram, tasks, targets = random_problem(rng, (3, 3))
    with pytest.raises(UserError, match="at least two"):
        check_proposition1(gram, np.zeros(6), targets, [0.0])
    with pytest.raises(UserError, match="do not belong together"):
        check_proposition1(gram[:5, :5], tasks, targets, [0.0])
    with pytest.raises(UserError, match="nothing to learn"):
        check_proposition1(gram, tasks, np.repeat([0.1, 2.0], 3), [0.0])
    for bad in ({"couplings": [1.5]}, {"ridge": 0.0}, {"components": 0}):
        with pytest.raises(UserError, match="must be in"):
            check_proposition1(gram, tasks, targets, **({"couplings": [0.0]} | bad))
