"""95 % intervals for a mean over units (tasks) and seeds that are crossed; numpy and scipy only.

Units and seeds are crossed: one sum of task vectors per seed carries all tasks, so what a seed does
is shared by its units. Test images are the same for every seed. A bootstrap that draws seeds within
tasks takes the shared part for noise of independent draws and is far too narrow; here every source
of variation has its own mean square (docs/protocol.md, "Claims and intervals").
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95
FEWEST_UNITS = 5
"""With fewer units nothing is said about other units like these."""


@dataclass(frozen=True)
class Interval:
    """Both ends, and the degrees of freedom of the t distribution behind them."""

    low: float
    high: float
    degrees: float

    def holds(self, value: float) -> bool:
        """Whether `value` lies inside or on an end."""
        return self.low <= value <= self.high


def of_these_units(per_seed: np.ndarray, images: Iterable[np.ndarray]) -> Interval | None:
    """An interval for the mean of these very units over other seeds and other test images.

    Var = s²(seeds)/S + Σ_d c_d/n_d. s² is the variance of the seeds' means. c_d is the mean
    covariance, over the images of data set d, of what an image does to two different seeds: the
    part of the images' variation that seeds share, and that averaging over seeds leaves (the rest
    is already in s²). One seed has no s², and c_d is then the variance: the interval is over
    images alone. Degrees of freedom: Satterthwaite's.

    Args:
        per_seed: the quantity, a mean over the units, for each seed [S].
        images: per data set, the influence of each image on each seed's quantity [S, n_d]: to first
            order, the quantity is a constant plus the mean of each data set's row, summed.

    Returns:
        None if nothing is known of the variation: one seed and no images.
    """
    per_seed = np.asarray(per_seed, dtype=float)
    seeds = len(per_seed)
    terms = [_images_variance(np.asarray(of_dataset, dtype=float)) for of_dataset in images]
    if seeds > 1:
        terms.append((per_seed.var(ddof=1) / seeds, seeds - 1))
    return _interval(float(per_seed.mean()), terms) if terms else None


def of_other_units(values: np.ndarray) -> Interval | None:
    """An interval for the mean over other units like these, and other seeds.

    Two-way random effects without replication: Var = (MS_units + MS_seeds − MS_residual) / (U·S),
    and never below either mean square alone / (U·S). Degrees of freedom: Satterthwaite's. Test
    images that belong to their unit are part of MS_units. One seed: a t interval on the units'
    values, which leaves out what a seed does to all units alike.

    Args:
        values: of each unit and seed [U, S].

    Returns:
        None with fewer than `FEWEST_UNITS` units.
    """
    values = np.asarray(values, dtype=float)
    units, seeds = values.shape
    if units < FEWEST_UNITS:
        return None
    mean = float(values.mean())
    of_unit, of_seed = values.mean(axis=1), values.mean(axis=0)
    squares = seeds * of_unit.var(ddof=1)
    if seeds == 1:
        return _interval(mean, [(squares / units, units - 1)])
    seed_squares = units * of_seed.var(ddof=1)
    residual = values - of_unit[:, None] - of_seed + mean
    free = (units - 1) * (seeds - 1)
    residual_squares = float((residual**2).sum()) / free
    total = units * seeds
    parts = [(squares, units - 1), (seed_squares, seeds - 1), (-residual_squares, free)]
    both = [(square / total, degrees) for square, degrees in parts]
    # By chance a mean square may be smaller than the residual's: its variance is then taken as 0.
    if seed_squares < residual_squares:
        both = both[:1]
    elif squares < residual_squares:
        both = both[1:2]
    return _interval(mean, both)


def _images_variance(influence: np.ndarray) -> tuple[float, float]:
    seeds, n = influence.shape
    centred = influence - influence.mean(axis=1, keepdims=True)
    # The sum over all pairs of seeds, minus the pairs of a seed with itself.
    shared = np.square(centred.sum(axis=0)).sum()
    pairs = seeds * seeds
    if seeds > 1:
        shared -= np.square(centred).sum()
        pairs -= seeds
    return max(float(shared), 0.0) / (pairs * (n - 1) * n), n - 1


def _interval(mean: float, terms: list[tuple[float, float]]) -> Interval:
    variance = sum(term for term, _ in terms)
    spread = sum(term**2 / degrees for term, degrees in terms)
    degrees = variance**2 / spread if spread > 0 else np.inf
    half = float(stats.t.ppf((1 + LEVEL) / 2, degrees) * np.sqrt(variance))
    return Interval(mean - half, mean + half, float(degrees))
