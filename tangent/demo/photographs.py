"""Real images that Python packages carry: photographs and scikit-learn's handwritten digits.

Each photograph is cut once into a train and a test region with a gap between them, so no pixel of
a test patch, nor of a background in a test image, is ever seen in training or pre-training.
"""

from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image

from tangent.demo.drawing import CANVAS, IMAGE, PICTURES, Picture, package_file
from tangent.jobs.errors import UserError

Split = Literal["train", "test"]
Box = tuple[int, int, int, int]

_TRAIN_SHARE, _GAP_SHARE = 0.66, 0.04
# Patches flatter than this (standard deviation of the grey values) show nothing; draw again.
_LEAST_DEVIATION, _ATTEMPTS = 8.0, 20
# Handwritten digits are split once and for all.
TEST_IMAGES = 497
_PARTITION_SEED = 20


class Photograph(NamedTuple):
    """A file in an installed package, and which part of it shows what its class name says.

    Attributes:
        subject: left, top, right, bottom of the useful part, as fractions of width and height.
        test_side: the side of `subject` that is kept for test patches.
    """

    package: str
    file: str
    subject: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    test_side: Literal["right", "bottom"] = "right"

    def pixels(self) -> Image.Image:
        """Read the photograph as RGB."""
        return Image.open(package_file(self.package, self.file)).convert("RGB")

    def region(self, split: Split) -> Box:
        """Pixel box (left, top, right, bottom; the last two excluded) of one split."""
        with Image.open(package_file(self.package, self.file)) as image:
            box = np.multiply(self.subject, image.size * 2)
        left, top, right, bottom = np.rint(box).astype(int).tolist()
        low, high = (left, right) if self.test_side == "right" else (top, bottom)
        length = high - low
        if split == "train":
            high = low + round(_TRAIN_SHARE * length)
        else:
            low += round((_TRAIN_SHARE + _GAP_SHARE) * length)
        return (low, top, high, bottom) if self.test_side == "right" else (left, low, right, high)


PHOTOGRAPHS = tuple(Photograph(**entry) for entry in PICTURES["photographs"])


@cache
def _region_image(index: int, split: Split) -> Image.Image:
    photograph = PHOTOGRAPHS[index]
    return photograph.pixels().crop(photograph.region(split))


def _patch(
    rng: np.random.Generator,
    index: int,
    split: Split,
    scale: tuple[float, float],
    scale_of: Split | None = None,
) -> Image.Image:
    """Cut a random square out of the region of `split`, scaled to 64 x 64.

    Its side is between two shares, `scale`, of the shorter side of `split`'s or `scale_of`'s
    region; the test region is the smaller one.
    """
    region = _region_image(index, split)
    shorter = min(_region_image(index, scale_of or split).size)
    for _ in range(_ATTEMPTS):
        side = int(np.clip(rng.uniform(*scale) * shorter, 32, min(160, shorter)))
        left = int(rng.integers(region.width - side + 1))
        top = int(rng.integers(region.height - side + 1))
        image = region.resize(
            (CANVAS, CANVAS), Image.Resampling.BILINEAR, (left, top, left + side, top + side)
        )
        if np.asarray(image.convert("L")).std() >= _LEAST_DEVIATION:
            break
    return image


def close_up(rng: np.random.Generator, label: int, split: Split) -> Picture:
    """Show a patch of one photograph, from as near in both splits."""
    return Picture(_patch(rng, label, split, (0.5, 1.0), scale_of="test"))


def photo(rng: np.random.Generator, label: int, harder: bool) -> Picture:
    """Show a patch of a train region; `harder` ones are grey half of the time and turned."""
    image = _patch(rng, label, "train", (0.35, 0.7) if harder else (0.4, 0.9))
    if harder and rng.random() < 0.5:
        image = image.convert("L").convert("RGB")
    if harder:
        image = image.rotate(90 * int(rng.integers(4)))
    return Picture(image)


def background(rng: np.random.Generator, split: Split) -> Image.Image:
    """A patch of any photograph, to be blended behind a picture of the same split."""
    return _patch(rng, int(rng.integers(len(PHOTOGRAPHS))), split, (0.3, 0.6))


@cache
def _partition() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images uint8 [n, 8, 8] (0 to 16) and labels int64 [n] of both splits."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(_PARTITION_SEED).permutation(len(data.target))
    parts = {"test": order[:TEST_IMAGES], "train": order[TEST_IMAGES:]}
    images, labels = data.images.astype(np.uint8), data.target.astype(np.int64)
    return {split: (images[rows], labels[rows]) for split, rows in parts.items()}


def handwritten_digits(
    rng: np.random.Generator, split: Split, images: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw different digits of one split, white on black: uint8 [images, 32, 32, 3], and labels.

    More images than the split holds are a `UserError`.
    """
    small, labels = _partition()[split]
    if images > len(labels):
        raise UserError(
            f"task digits has {len(labels)} {split} images, but {images} were asked for: it holds "
            f"real handwriting, so ask for at most {len(labels)}."
        )
    chosen = rng.permutation(len(labels))[:images]
    grey = (small[chosen] * 15.9375).astype(np.uint8)
    large = [
        Image.fromarray(image).resize((IMAGE, IMAGE), Image.Resampling.BICUBIC) for image in grey
    ]
    return np.stack([np.asarray(image.convert("RGB")) for image in large]), labels[chosen]
