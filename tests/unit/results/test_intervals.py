"""Intervals against textbook formulas, counting by hand, and simulated studies."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from simulated_coverage import MIXES, coverage

from tangent.results.intervals import FEWEST_UNITS, Interval, of_other_units, of_these_units


def ends(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


def t_interval(values: np.ndarray) -> tuple[float, float]:
    """The textbook's interval for a mean of independent values."""
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    return interval.low, interval.high


def test_seeds_alone_or_images_alone_are_a_t_interval(rng: np.random.Generator) -> None:
    values = rng.normal(size=rng.integers(2, 9))
    assert ends(of_these_units(values, [])) == pytest.approx(t_interval(values))
    images = rng.normal(size=rng.integers(2, 30))
    influence = (images - images.mean())[None]
    assert ends(of_these_units([images.mean()], [influence])) == pytest.approx(t_interval(images))


def test_seeds_and_images_by_hand() -> None:
    """Two seeds, 0.1 and 0.5, on three images: variances 0.08/2 and covariance 1/3."""
    influence = np.array([[1.0, 0.0, -1.0], [0.5, -0.5, 0.0]])
    # Both rows have the mean 0; covariance over images with n − 1: (0.5 + 0 + 0) / 2 = 0.25.
    seeds, images = 0.08 / 2, 0.25 / 3
    variance = seeds + images
    degrees = variance**2 / (seeds**2 / 1 + images**2 / 2)
    half = stats.t.ppf(0.975, degrees) * variance**0.5
    interval = of_these_units([0.1, 0.5], [influence])
    assert interval.degrees == pytest.approx(degrees)
    assert ends(interval) == pytest.approx((0.3 - half, 0.3 + half))


def test_images_that_seeds_do_not_share_are_counted_once(rng: np.random.Generator) -> None:
    """Each seed has images of its own: their variation is in the seeds' values already."""
    values = rng.normal(size=3)
    influence = np.zeros((3, 30))
    for seed in range(3):
        of_seed = rng.normal(size=10)
        influence[seed, 10 * seed : 10 * seed + 10] = of_seed - of_seed.mean()
    assert ends(of_these_units(values, [influence])) == pytest.approx(t_interval(values))


def test_units_and_seeds_by_hand(rng: np.random.Generator) -> None:
    """The mean squares of a two-way table, written out."""
    units, seeds = int(rng.integers(FEWEST_UNITS, 9)), int(rng.integers(2, 6))
    # Differences that no noise hides: with less between units or seeds another branch is right.
    values = np.arange(units)[:, None] + np.arange(seeds) + 0.1 * rng.normal(size=(units, seeds))
    mean = values.mean()
    of_unit = sum((values[u].mean() - mean) ** 2 for u in range(units)) * seeds / (units - 1)
    of_seed = sum((values[:, s].mean() - mean) ** 2 for s in range(seeds)) * units / (seeds - 1)
    free = (units - 1) * (seeds - 1)
    residual = sum(
        (values[u, s] - values[u].mean() - values[:, s].mean() + mean) ** 2 / free
        for u in range(units)
        for s in range(seeds)
    )
    assert min(of_unit, of_seed) > residual
    square = of_unit + of_seed - residual
    degrees = square**2 / (of_unit**2 / (units - 1) + of_seed**2 / (seeds - 1) + residual**2 / free)
    half = stats.t.ppf(0.975, degrees) * (square / (units * seeds)) ** 0.5
    assert ends(of_other_units(values)) == pytest.approx((mean - half, mean + half))


def test_units_alone_are_a_t_interval(rng: np.random.Generator) -> None:
    values = rng.normal(size=7)
    assert ends(of_other_units(values[:, None])) == pytest.approx(t_interval(values))
    # Seeds that all say the same add nothing.
    same = np.repeat(values[:, None], 3, axis=1)
    assert ends(of_other_units(same)) == pytest.approx(t_interval(values))
    # And units that all say the same leave the seeds.
    assert ends(of_other_units(same.T.repeat(2, axis=0))) == pytest.approx(t_interval(values))


@pytest.mark.parametrize("seeds", [1, 4])
def test_few_units_say_nothing_of_others(seeds: int, rng: np.random.Generator) -> None:
    assert of_other_units(rng.normal(size=(FEWEST_UNITS - 1, seeds))) is None
    assert of_other_units(rng.normal(size=(FEWEST_UNITS, seeds))) is not None


def test_order_and_scale_do_not_matter(rng: np.random.Generator) -> None:
    values, influence = rng.normal(size=(6, 4)), rng.normal(size=(4, 20))
    influence -= influence.mean(axis=1, keepdims=True)
    units, seeds, images = (rng.permutation(n) for n in (6, 4, 20))
    these = of_these_units(values.mean(axis=0), [influence])
    again = of_these_units(values.mean(axis=0)[seeds], [influence[seeds][:, images]])
    assert ends(again) == pytest.approx(ends(these))
    others = of_other_units(values)
    assert ends(of_other_units(values[units][:, seeds])) == pytest.approx(ends(others))
    moved = of_these_units(3 - 2 * values.mean(axis=0), [-2 * influence])
    assert ends(moved) == pytest.approx((3 - 2 * these.high, 3 - 2 * these.low))
    moved = of_other_units(3 - 2 * values)
    assert ends(moved) == pytest.approx((3 - 2 * others.high, 3 - 2 * others.low))


@pytest.mark.parametrize("seeds", [5, 1])
def test_simulated_intervals_hold_the_truth(seeds: int, rng: np.random.Generator) -> None:
    """95 %, give or take four standard errors of 300 studies; the simulation has all mixes."""
    mix = {mix.name: mix for mix in MIXES}["a seed moves all tasks alike"]
    found = coverage(mix, seeds, 300, rng)
    for quantity in ("absolute", "normalised"):
        for method in ("these", "others"):
            assert found[method, quantity][0] >= 0.9, (method, quantity)
            assert found[method, quantity][0] < 1, (method, quantity)
        if seeds > 1:
            assert found["nested bootstrap", quantity][0] < 0.75
