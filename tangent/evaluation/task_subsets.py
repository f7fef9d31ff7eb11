"""Sums of the task vectors of some of the tasks: which subsets there are, and their direction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import combinations
from math import comb

import numpy as np

from tangent.arithmetic.merging import SUM


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


def direction(subset: Collection[str], tasks: Collection[str]) -> dict[str, float]:
    """Σ τ_t over a subset of all `tasks`; that of all is the stored sum, as in table 1."""
    return {SUM: 1.0} if set(subset) == set(tasks) else dict.fromkeys(subset, 1.0)
