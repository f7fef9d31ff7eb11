"""Which images a sampled evaluation looks at."""

from __future__ import annotations

import numpy as np


def sample_rows(n: int, images: int, seed: int) -> np.ndarray:
    """The first `images` of a seeded permutation of a split's `n` images; all of them if fewer.

    One seed gives one sample in every mode, so that modes are compared on the same images.

    Returns:
        Indices [min(n, images)] (int64) in the order drawn.
    """
    # RandomState and not default_rng: numpy promises that its streams never change.
    return np.random.RandomState(seed).permutation(n)[:images]
