"""A measured quantity against its threshold: per seed, with both intervals, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tangent.results.intervals import Interval, of_other_units, of_these_units
from tangent.results.sampled import Sampled, mean_of


@dataclass(frozen=True, eq=False, kw_only=True)
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
    def per_seed(self) -> np.ndarray:
        """The quantity for each seed, as it is shown."""
        return self.shown(self.quantity.value)

    @property
    def met(self) -> np.ndarray:
        """For which seeds the quantity is on the claim's side, bool [S]."""
        above = self.quantity.value > self.threshold
        return self.quantity.value < self.threshold if self.below else above

    def shown(self, value):
        """A value of `quantity` as texts and tables show it."""
        return np.exp(value) if self.logarithm else value

    def of_these_units(self) -> Interval | None:
        """The interval for these units; it gives the verdict."""
        return of_these_units(self.quantity.value, self.quantity.influence.values())

    def of_other_units(self) -> Interval | None:
        """The interval for other units like these."""
        return None if self.values is None else of_other_units(self.values)

    @property
    def covers(self) -> str:
        """What varies in the interval for these units."""
        images = bool(self.quantity.influence)
        if self.seeds > 1:
            return "seeds and images" if images else "seeds"
        return "images alone: one seed" if images else ""

    @property
    def verdict(self) -> str:
        """`reproduced`, `not reproduced`, or `undecided` if the interval holds the threshold."""
        interval = self.of_these_units()
        if interval is None or interval.holds(self.threshold):
            return "undecided"
        return "reproduced" if (interval.high < self.threshold) == self.below else "not reproduced"


def mean_over_units(of_units: Sequence[Sampled], **others: Any) -> Measurement:
    """The mean of the units' own quantities; `others` are attributes of `Measurement`."""
    values = np.array([of_unit.value for of_unit in of_units])
    return Measurement(quantity=mean_of(of_units), units=len(of_units), values=values, **others)


def shares(numerators: Sequence[Sampled], denominators: Sequence[Sampled]) -> np.ndarray:
    """Units' parts [U, S] in a ratio of means, to first order: their mean is the ratio."""
    above = np.array([number.value for number in numerators])
    below = np.array([number.value for number in denominators])
    ratio = above.mean(axis=0) / below.mean(axis=0)
    return ratio + (above - ratio * below) / below.mean(axis=0)


def joint_verdict(parts: Sequence[Measurement]) -> str:
    """Of a criterion of several parts: reproduced if all are, not reproduced if one is refuted."""
    verdicts = {part.verdict for part in parts}
    if verdicts == {"reproduced"}:
        return "reproduced"
    return "not reproduced" if "not reproduced" in verdicts else "undecided"
