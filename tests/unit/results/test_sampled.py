"""Influences against the derivative of the number when one image counts a little more."""

from __future__ import annotations

import numpy as np
import pytest

from tangent.results.sampled import Sampled, mean_of

IMAGES = {"a": 7, "b": 5}


def number(weights: dict[str, np.ndarray], values: dict[str, np.ndarray]) -> np.ndarray:
    """A function of weighted means that uses every operation, for each of two seeds."""
    mean = {name: values[name] @ (w / w.sum()) for name, w in weights.items()}
    return (np.log(mean["a1"] / mean["b1"]) - 3 * mean["b2"] + mean["a2"]) / 2


def test_influences_are_derivatives(rng: np.random.Generator) -> None:
    values = {name: rng.random((2, IMAGES[name[0]])) + 0.5 for name in ("a1", "a2", "b1", "b2")}
    one = {name: Sampled.mean_over_images(name[0], of) for name, of in values.items()}
    result = mean_of([(one["a1"] / one["b1"]).log() - one["b2"].times(3), one["a2"]])
    equal = {name: np.ones(IMAGES[name[0]]) for name in values}
    np.testing.assert_allclose(result.value, number(equal, values))
    assert set(result.influence) == set(IMAGES)
    for dataset, n in IMAGES.items():
        assert result.influence[dataset].mean(axis=1) == pytest.approx(0, abs=1e-12)
        for image in range(n):
            step = 1e-5
            changed = [
                number(
                    {
                        name: weights + sign * step * (np.arange(len(weights)) == image)
                        if name[0] == dataset
                        else weights
                        for name, weights in equal.items()
                    },
                    values,
                )
                for sign in (1, -1)
            ]
            slope = (changed[0] - changed[1]) / (2 * step)
            np.testing.assert_allclose(result.influence[dataset][:, image], n * slope, rtol=1e-5)


def test_images_drawn_by_each_seed(rng: np.random.Generator) -> None:
    """Seeds that drew the same images in another order agree with images that all share."""
    values, order = rng.random((2, 6)), rng.permutation(6)
    rows = np.sort(rng.permutation(100)[:6])
    shared = Sampled.mean_over_images("a", values)
    drawn = Sampled.mean_over_drawn_images("a", [rows, rows[order]], [values[0], values[1][order]])
    np.testing.assert_allclose(drawn.value, shared.value)
    np.testing.assert_allclose(drawn.influence["a"], shared.influence["a"])
    # Of images that a seed has not drawn it knows nothing; its own still make its mean.
    apart = Sampled.mean_over_drawn_images("a", [rows, rows + 100], list(values))
    assert (apart.influence["a"] != 0).sum(axis=1).tolist() == [6, 6]
    moved = apart.influence["a"][0][:6].sum() / 12
    assert moved == pytest.approx(shared.influence["a"][0].mean(), abs=1e-12)
    np.testing.assert_allclose(apart.influence["a"][0][:6] / 12, shared.influence["a"][0] / 6)
