"""scikit-learn's real handwritten digits, split once and for all."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image

from tangent.demo.drawing import IMAGE
from tangent.demo.photographs import Split
from tangent.jobs.errors import UserError

TEST_IMAGES = 497
_PARTITION_SEED = 20


@cache
def _partition() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images uint8 [n, 8, 8] (0 to 16) and labels int64 [n] of both splits."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(_PARTITION_SEED).permutation(len(data.target))
    images, labels = data.images.astype(np.uint8)[order], data.target.astype(np.int64)[order]
    return {
        "test": (images[:TEST_IMAGES], labels[:TEST_IMAGES]),
        "train": (images[TEST_IMAGES:], labels[TEST_IMAGES:]),
    }


def handwritten_digits(
    rng: np.random.Generator, split: Split, images: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw different digits of one split, white on black, scaled from 8 x 8 to 32 x 32.

    Returns:
        uint8 [images, 32, 32, 3] and int64 [images].

    Raises:
        UserError: more images are asked for than the split holds.
    """
    small, labels = _partition()[split]
    if images > len(labels):
        raise UserError(
            f"task digits has {len(labels)} {split} images, but {images} were asked for: it holds "
            f"real handwriting, so ask for at most {len(labels)}."
        )
    chosen = rng.permutation(len(labels))[:images]
    large = [
        Image.fromarray((image * 15.9375).astype(np.uint8))
        .resize((IMAGE, IMAGE), Image.Resampling.BICUBIC)
        .convert("RGB")
        for image in small[chosen]
    ]
    return np.stack([np.asarray(image) for image in large]), labels[chosen]
