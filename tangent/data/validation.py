"""Sizes of prepared data, which are known before it is there (docs/protocol.md, "Data").

Without numpy: the configuration's checks and the estimate ask for them.
"""

from __future__ import annotations

import math

# A crop has at least 0.9 of each side: still more pixels than the model's image.
_MODEL_SHARE = 0.875


def held_out(n: int, fraction: float, maximum: int) -> int:
    """The number of validation images that a training set of `n` images gives.

    Args:
        n: size of the source's training set.
        fraction: share of it to hold out, rounded down.
        maximum: the largest number of images to hold out.
    """
    return min(int(fraction * n), maximum)


def longest_side(image_size: int) -> int:
    """Return the largest side kept of a training image, in pixels: 256 for models of 224."""
    return math.ceil(image_size / _MODEL_SHARE)
