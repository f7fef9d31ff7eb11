"""Numbers that are measured on sampled images, and how each image moves them (influence functions).

Sums, differences, ratios and logarithms carry the influences along to first order (the delta
method), so an interval of a ratio counts what is sampled in numerator and denominator, and images
that both share count once, as a pair.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd

from tangent.evaluation.outcomes import decode, decode_counts


@dataclass(frozen=True, eq=False)
class Sampled:
    """A number for each seed.

    Attributes:
        value: the numbers [S].
        influence: data set -> influence of each of its n images on each seed's number [S, n]; rows
            have the mean 0. To first order, other images would give `value` + the sum over the data
            sets of the mean of their influences.
    """

    value: np.ndarray
    influence: Mapping[str, np.ndarray]

    @classmethod
    def mean_over_images(cls, dataset: str, values: np.ndarray) -> Sampled:
        """The mean over the images of a data set, for each seed; `values` [S, n]."""
        mean = values.mean(axis=1)
        return cls(mean, {dataset: values - mean[:, None]})

    @classmethod
    def mean_over_drawn_images(
        cls, dataset: str, rows: Sequence[np.ndarray], values: Sequence[np.ndarray]
    ) -> Sampled:
        """The same where each seed has drawn its own images.

        Args:
            dataset: the data set.
            rows: for each seed, which images of the data set it has drawn.
            values: for each seed, their values, in the same order.
        """
        drawn = np.unique(np.concatenate(list(rows)))
        influence = np.zeros((len(rows), len(drawn)))
        for of_seed, own, given in zip(influence, rows, values, strict=True):
            # An image that this seed has not drawn moves nothing; the others' mean is over fewer.
            of_seed[np.searchsorted(drawn, own)] = (given - given.mean()) * len(drawn) / len(own)
        return cls(np.array([given.mean() for given in values]), {dataset: influence})

    def __add__(self, other: Sampled) -> Sampled:
        return _function(self.value + other.value, (self, 1.0), (other, 1.0))

    def __sub__(self, other: Sampled) -> Sampled:
        return _function(self.value - other.value, (self, 1.0), (other, -1.0))

    def __truediv__(self, other: Sampled) -> Sampled:
        ratio = self.value / other.value
        return _function(ratio, (self, 1 / other.value), (other, -ratio / other.value))

    def times(self, factor: float) -> Sampled:
        """The number times a constant."""
        return _function(factor * self.value, (self, factor))

    def log(self) -> Sampled:
        """The natural logarithm of a positive number."""
        return _function(np.log(self.value), (self, 1 / self.value))


def _function(value: np.ndarray, *arguments: tuple[Sampled, np.ndarray | float]) -> Sampled:
    """A function of numbers with its `value` [S], by its derivatives (one for all seeds or [S])."""
    influence: dict[str, np.ndarray] = {}
    for argument, slope in arguments:
        slopes = np.broadcast_to(slope, value.shape)[:, None]
        for dataset, rows in argument.influence.items():
            influence[dataset] = influence.get(dataset, 0.0) + slopes * rows
    return Sampled(value, influence)


def mean_of(numbers: Iterable[Sampled]) -> Sampled:
    """The mean of several numbers with the same seeds."""
    given = list(numbers)
    return reduce(operator.add, given).times(1 / len(given))


class Units(dict[Any, Sampled]):
    """A number for each unit: (task or pair, data set of the images), or a kernel's task."""

    def __sub__(self, other: Units) -> Units:
        return Units({key: self[key] - other[key] for key in self})

    def __truediv__(self, other: Units) -> Units:
        return Units({key: self[key] / other[key] for key in self})

    def of(self, keys: Iterable[Any]) -> Units:
        """These units, in this order."""
        return Units({key: self[key] for key in keys})

    def mean(self) -> Sampled:
        """Over the units."""
        return mean_of(self.values())


class NotRun(Exception):
    """The study has no results to judge."""


def of_images(outcomes: pd.DataFrame, *wanted: tuple[str, str, str]) -> list[Units]:
    """Means over test images of a model, in a mode, of a quantity, for the seeds that have all.

    Args:
        outcomes: the tidy table.
        wanted: (model, mode, quantity), each of which gives one of the results, in this order.

    Raises:
        NotRun: there are none of one of them.
    """
    parts = []
    for model, mode, quantity in wanted:
        rows = outcomes[
            (outcomes.model == model) & (outcomes["mode"] == mode) & (outcomes.quantity == quantity)
        ]
        parts.append(dict(list(rows.groupby(["task", "dataset"], sort=False))))
    groups = [group for part in parts for group in part.values()]
    if not all(parts) or not (seeds := set.intersection(*(set(group.seed) for group in groups))):
        raise NotRun
    return [Units({key: _mean(key[1], part[key], sorted(seeds)) for key in part}) for part in parts]


def _mean(dataset: str, group: pd.DataFrame, seeds: list[int]) -> Sampled:
    values = []
    for row in group.set_index("seed").loc[seeds].itertuples():
        if pd.isna(row.points):
            values.append(decode(row.outcomes, int(row.n)))
        else:
            points = int(row.points)
            values.append(decode_counts(row.outcomes, int(row.n), points) / points)
    return Sampled.mean_over_images(dataset, np.array(values, dtype=float))
