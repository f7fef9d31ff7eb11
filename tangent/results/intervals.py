"""95 % intervals for a mean over units (tasks) and seeds that are crossed, and verdicts by them.

Units and seeds are crossed: one sum of task vectors per seed carries all tasks, so what a seed does
is shared by its units. Test images are the same for every seed. A bootstrap that draws seeds within
tasks takes the shared part for noise of independent draws and is far too narrow; here every source
of variation has its own mean square (docs/protocol.md, "Claims and intervals").
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from tangent.results.sampled import Sampled, Units

LEVEL = 0.95
FEWEST_UNITS = 5
"""With fewer units nothing is said about other units like these."""


class Interval(NamedTuple):
    """Both ends, and the degrees of freedom of the t distribution behind them."""

    low: float
    high: float
    degrees: float


def of_these_units(per_seed: np.ndarray, images: Iterable[np.ndarray]) -> Interval:
    """An interval for the mean of these very units over other seeds and other test images.

    Var = s²(seeds)/S + Σ_d c_d/n_d. s² is the variance of the seeds' means. c_d is the mean
    covariance, over the images of data set d, of what an image does to two different seeds: the
    part of the images' variation that seeds share, and that averaging over seeds leaves (the rest
    is already in s²). One seed has no s², and c_d is then the variance: the interval is over
    images alone. Degrees of freedom: Satterthwaite's.

    Args:
        per_seed: the quantity, a mean over the units, for each seed [S].
        images: per data set, the influence of each image on each seed's quantity [S, n_d]: to first
            order, the quantity is a constant plus the mean of each data set's row, summed. For one
            seed there must be some.
    """
    seeds = len(per_seed)
    terms = [_images_variance(influence) for influence in images]
    if seeds > 1:
        terms.append((np.var(per_seed, ddof=1) / seeds, seeds - 1))
    return _interval(np.mean(per_seed), terms)


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
    units, seeds = values.shape
    if units < FEWEST_UNITS:
        return None
    mean, of_unit, of_seed = values.mean(), values.mean(axis=1), values.mean(axis=0)
    squares = seeds * of_unit.var(ddof=1)
    if seeds == 1:
        return _interval(mean, [(squares / units, units - 1)])
    seed_squares = units * of_seed.var(ddof=1)
    residual = values - of_unit[:, None] - of_seed + mean
    free = (units - 1) * (seeds - 1)
    residual_squares = (residual**2).sum() / free
    parts = [(squares, units - 1), (seed_squares, seeds - 1), (-residual_squares, free)]
    # By chance a mean square may be smaller than the residual's: its variance is then taken as 0.
    if seed_squares < residual_squares:
        parts = parts[:1]
    elif squares < residual_squares:
        parts = parts[1:2]
    return _interval(mean, [(square / (units * seeds), degrees) for square, degrees in parts])


def _images_variance(influence: np.ndarray) -> tuple[float, float]:
    seeds, n = influence.shape
    centred = influence - influence.mean(axis=1, keepdims=True)
    # The sum over all pairs of seeds, minus the pairs of a seed with itself.
    shared = np.square(centred.sum(axis=0)).sum()
    pairs = seeds * seeds
    if seeds > 1:
        shared -= np.square(centred).sum()
        pairs -= seeds
    return max(shared, 0.0) / (pairs * (n - 1) * n), n - 1


def _interval(mean: float, terms: list[tuple[float, float]]) -> Interval:
    variance = sum(term for term, _ in terms)
    spread = sum(term**2 / degrees for term, degrees in terms)
    degrees = variance**2 / spread if spread > 0 else np.inf
    half = stats.t.ppf((1 + LEVEL) / 2, degrees) * np.sqrt(variance)
    return Interval(mean - half, mean + half, degrees)


@dataclass(frozen=True, eq=False)
class Measurement:
    """One quantity of a claim and the side of a threshold that the claim puts it on.

    Attributes:
        quantity: its value for each seed, with the images' influences; a logarithm for a ratio.
        units: number of units that it is a mean over.
        values: the quantity of each unit and seed [U, S], whose mean over the units it is; None
            where other units cannot be thought of as drawn like these.
        threshold: on the scale of `quantity`.
        below: whether the claim is that the quantity lies below, not above.
        logarithm: whether `quantity` and `threshold` are logarithms of what is shown.
        numbers: what the quantity was computed from, for each seed.
        label: what the quantity is, of a part that is not a claim's first.
    """

    quantity: Sampled
    units: int
    values: np.ndarray | None
    threshold: float = 0.0
    below: bool = False
    logarithm: bool = False
    numbers: Mapping[str, np.ndarray] = field(default_factory=dict)
    label: str = ""

    @property
    def seeds(self) -> int:
        """The number of seeds."""
        return len(self.quantity.value)

    @property
    def met(self) -> np.ndarray:
        """For which seeds the quantity is on the claim's side, bool [S]."""
        value = self.quantity.value
        return value < self.threshold if self.below else value > self.threshold

    def shown(self, value):
        """A value of `quantity` as texts and tables show it."""
        return np.exp(value) if self.logarithm else value

    def ends(self, interval: Interval | None) -> tuple[float, float]:
        """Both ends of an interval as they are shown; NaN where there is none."""
        if interval is None:
            return np.nan, np.nan
        return self.shown(interval.low), self.shown(interval.high)

    def of_these_units(self) -> Interval:
        """The interval for these units; it gives the verdict."""
        return of_these_units(self.quantity.value, self.quantity.influence.values())

    def of_other_units(self) -> Interval | None:
        """The interval for other units like these."""
        return None if self.values is None else of_other_units(self.values)

    @property
    def verdict(self) -> str:
        """`reproduced`, `not reproduced`, or `undecided` if the interval holds the threshold."""
        interval = self.of_these_units()
        if interval.low <= self.threshold <= interval.high:
            return "undecided"
        return "reproduced" if (interval.high < self.threshold) == self.below else "not reproduced"


def mean_over_units(units: Units, **others: Any) -> Measurement:
    """The mean of the units' own quantities; `others` are attributes of `Measurement`."""
    return Measurement(units.mean(), len(units), _table(units), **others)


def shares(numerators: Units, denominators: Units) -> np.ndarray:
    """Units' parts [U, S] in a ratio of means, to first order: their mean is the ratio."""
    above, below = _table(numerators), _table(denominators)
    ratio = above.mean(axis=0) / below.mean(axis=0)
    return ratio + (above - ratio * below) / below.mean(axis=0)


def _table(units: Units) -> np.ndarray:
    return np.array([number.value for number in units.values()])


def joint_verdict(parts: Sequence[Measurement]) -> str:
    """Of a criterion of several parts: reproduced if all are, not reproduced if one is refuted."""
    verdicts = {part.verdict for part in parts}
    if verdicts == {"reproduced"}:
        return "reproduced"
    return "not reproduced" if "not reproduced" in verdicts else "undecided"
