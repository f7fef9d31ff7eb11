"""Stored regions of training images: what open_clip's random crops can reach.

Its training transform is torchvision's `RandomResizedCrop` with an area share of 0.9 to 1 and a
ratio of width to height of 3/4 to 4/3. In an image much wider (or taller) than 4/3 no such crop
fits, and the crop is always the largest central one of that ratio: nothing else is kept of it.
Of all other images everything is kept. A side that is longer than `longest_side` is shortened to
it; shorter ones stay as they are, so that small images are kept exactly.

Here and in `augmentation`, `originals` are heights and widths of images, int64 [n, 2], and a box is
top, left, height and width; all in pixels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

# Area share and ratio of width to height of the crops: open_clip's and torchvision's defaults.
SCALE = (0.9, 1.0)
RATIO = (3 / 4, 4 / 3)
# A crop has at least 0.9 of each side: still more pixels than the model's image.
_MODEL_SHARE = 0.875


def longest_side(image_size: int) -> int:
    """The largest side kept of a training image, in pixels: 256 for models of 224."""
    return math.ceil(image_size / _MODEL_SHARE)


def central_crops(originals: np.ndarray) -> np.ndarray:
    """The largest central boxes within the ratios, int64 [n, 4], as torchvision falls back to."""
    height, width = originals.T
    shape = width / height
    tall, wide = shape < min(RATIO), shape > max(RATIO)
    # Both round halves to even, as Python does.
    crop_height = np.where(tall, np.rint(width / min(RATIO)).astype(np.int64), height)
    crop_width = np.where(wide, np.rint(height * max(RATIO)).astype(np.int64), width)
    top, left = (height - crop_height) // 2, (width - crop_width) // 2
    return np.stack([top, left, crop_height, crop_width], axis=1)


def reachable(originals: np.ndarray) -> np.ndarray:
    """The region that is kept of each image, a box int64 [n, 4]: it holds every possible crop."""
    smallest_area = SCALE[0] * originals.prod(axis=1)
    lowest = np.sqrt(smallest_area / max(RATIO))
    narrowest = np.sqrt(smallest_area * min(RATIO))
    # A pixel of margin: crops are rounded, and torchvision draws in float32.
    never_fits = (lowest > originals[:, 0] + 1) | (narrowest > originals[:, 1] + 1)
    whole = np.concatenate([np.zeros_like(originals), originals], axis=1)
    return np.where(never_fits[:, None], central_crops(originals), whole)


def stored_sizes(originals: np.ndarray, image_size: int) -> np.ndarray:
    """The heights and widths, int64 [n, 2], in which the reachable regions are kept."""
    return np.minimum(reachable(originals)[:, 2:], longest_side(image_size))


def reduced(picture: Image, region: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Cut a region (a box) out of an RGB picture and bring it to its stored size: uint8 [*size, 3].

    Where a side is shortened, bicubic and antialiased.
    """
    from PIL.Image import Resampling

    top, left, height, width = map(int, region)
    part = picture.crop((left, top, left + width, top + height))
    return np.asarray(part.resize((int(size[1]), int(size[0])), Resampling.BICUBIC))
