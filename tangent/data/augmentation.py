"""open_clip's training preprocessing for whole batches of stored training images.

Its transform is a random resized crop (torchvision's boxes, Pillow's bicubic resampling with
antialiasing) and the normalisation. Per image in Python that costs more than a training step of a
small model, so boxes are drawn for an epoch at once, and resampling is two batched matrix products.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tangent.data.preprocess import normalize
from tangent.data.regions import RATIO, SCALE, central_crops, reachable

_ATTEMPTS = 10


@dataclass(frozen=True)
class Boxes:
    """Crops of n images, in pixels: [n] each, whole numbers or, after `in_stored_pixels`, not."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor

    @classmethod
    def from_array(cls, boxes: np.ndarray) -> Boxes:
        """Take boxes [n, 4]: top, left, height, width."""
        return cls(*torch.from_numpy(np.ascontiguousarray(boxes.T)))

    def __getitem__(self, rows: slice | Tensor) -> Boxes:
        return Boxes(self.top[rows], self.left[rows], self.height[rows], self.width[rows])

    def to(self, device: torch.device) -> Boxes:
        """Move to a device."""
        return Boxes(*(side.to(device) for side in vars(self).values()))


def random_boxes(
    originals: np.ndarray,
    generator: torch.Generator,
    scale: tuple[float, float] = SCALE,
    ratio: tuple[float, float] = RATIO,
) -> Boxes:
    """Draw crop boxes with the distribution of torchvision's `RandomResizedCrop.get_params`.

    Ten attempts at an area share (uniform in `scale`) and an aspect ratio (log-uniform in `ratio`);
    the first box that fits into the image counts, at a uniform place; if none does, the largest
    central box within the ratios.

    Args:
        originals: heights and widths of the images, int64 [n, 2], in pixels.
        generator: the random generator, on the CPU.
        scale: smallest and largest share of the area.
        ratio: smallest and largest ratio of width to height.

    Returns:
        One box for each image, int64.
    """
    rows, columns = torch.from_numpy(np.ascontiguousarray(originals.T))[:, :, None]  # [n, 1] each
    uniform = torch.rand(4, len(originals), _ATTEMPTS, dtype=torch.float64, generator=generator)
    area = rows * columns * (scale[0] + (scale[1] - scale[0]) * uniform[0])
    low, high = math.log(ratio[0]), math.log(ratio[1])
    aspect = (low + (high - low) * uniform[1]).exp()
    width = (area * aspect).sqrt().round().long()
    height = (area / aspect).sqrt().round().long()
    fits = (width > 0) & (width <= columns) & (height > 0) & (height <= rows)

    first = fits.to(torch.uint8).argmax(dim=1, keepdim=True)
    width, height = width.gather(1, first), height.gather(1, first)
    top = (uniform[2].gather(1, first) * (rows - height + 1)).long()
    left = (uniform[3].gather(1, first) * (columns - width + 1)).long()

    drawn = torch.cat([top, left, height, width], dim=1)
    fallback = torch.from_numpy(central_crops(originals, ratio))
    return Boxes(*torch.where(fits.any(dim=1, keepdim=True), drawn, fallback).unbind(1))


def central_squares(originals: np.ndarray, image_size: int) -> Boxes:
    """The part of each image that the evaluation preprocessing looks at.

    It brings the shortest side to `image_size` and cuts the middle out, at a whole pixel.

    Args:
        originals: heights and widths of the images, int64 [n, 2], in pixels.
        image_size: height and width of the model's images.

    Returns:
        One box for each image, float64, in pixels of the original.
    """
    resized = image_size * originals // originals.min(axis=1, keepdims=True)
    first = np.rint((resized - image_size) / 2)
    pixel = originals / resized  # of the resized image, in pixels of the original
    return Boxes.from_array(np.concatenate([first * pixel, image_size * pixel], axis=1))


def in_stored_pixels(boxes: Boxes, originals: np.ndarray, sizes: np.ndarray) -> Boxes:
    """Express boxes of images in pixels of what is kept of them (`tangent.data.regions`).

    Args:
        boxes: in pixels of the images.
        originals: heights and widths of the images, int64 [n, 2].
        sizes: heights and widths in which the reachable regions are kept, int64 [n, 2].

    Returns:
        float64 boxes; the same numbers where the whole image is kept at its size.
    """
    region = reachable(originals)
    down, across = torch.from_numpy(np.ascontiguousarray((sizes / region[:, 2:]).T))
    top, left = torch.from_numpy(np.ascontiguousarray(region[:, :2].T))
    return Boxes(
        top=(boxes.top - top) * down,
        left=(boxes.left - left) * across,
        height=boxes.height * down,
        width=boxes.width * across,
    )


def resized_crop(images: Tensor, boxes: Boxes, size: tuple[int, int]) -> Tensor:
    """Crop and resample as Pillow does: bicubic, antialiased, columns first, rounded to 8 bits.

    Args:
        images: uint8 [n, 3, height, width]; what lies outside of the boxes does not count.
        boxes: one for each image.
        size: height and width of the result.

    Returns:
        float32 [n, 3, *size] with whole numbers from 0 to 255. Where crops are enlarged they equal
        Pillow's but for a few values that differ by 1 or 2: Pillow rounds its coefficients to 22
        bits. Where they shrink, Pillow 13 takes rows first if that is cheaper, which changes
        the rounding and clipping between the two passes.
    """
    n, channels, rows, columns = images.shape
    boxes = boxes.to(images.device)
    across = _bicubic_weights(boxes.left, boxes.width, columns, size[1])  # [n, columns, out]
    down = _bicubic_weights(boxes.top, boxes.height, rows, size[0])  # [n, rows, out]
    pixels = images.float().view(n, channels * rows, columns)
    pixels = (pixels @ across).round_().clamp_(0, 255).view(n, channels, rows, size[1])
    return (down.transpose(1, 2)[:, None] @ pixels).round_().clamp_(0, 255)


def training_images(images: Tensor, boxes: Boxes, preprocess: Mapping[str, Any]) -> Tensor:
    """Preprocess a batch as open_clip's training transform does, with boxes drawn before.

    Args:
        images: uint8 [n, 3, height, width], on any device.
        boxes: one for each image (on the CPU).
        preprocess: `tangent.models.preprocess_config` of the model.

    Returns:
        float32 [n, 3, model height, model width], normalised.
    """
    return normalize(resized_crop(images, boxes, tuple(preprocess["size"])), preprocess)


def _bicubic_weights(start: Tensor, length: Tensor, inputs: int, outputs: int) -> Tensor:
    """Return the resampling weights [n, inputs, outputs] of intervals of pixels, each summing to 1.

    Keys' cubic with a = -1/2, widened by the scale where that is above 1; pixels outside the
    interval count nothing, as if the crop were an image by itself; those cut by its edges, in part.
    """
    device = start.device
    ratio = (length.double() / outputs)[:, None]  # input pixels per output pixel
    output = torch.arange(outputs, dtype=torch.float64, device=device)
    centre = (output + 0.5) * ratio  # [n, outputs], in input pixels from the crop's edge
    pixel = torch.arange(inputs, device=device) - start[:, None]  # [n, inputs], likewise
    distance = (pixel[:, :, None] + 0.5 - centre[:, None, :]) / ratio.clamp(min=1)[:, :, None]
    distance = distance.float().abs_()
    near = (1.5 * distance - 2.5) * distance * distance + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    weights = torch.where(distance < 1, near, far).masked_fill_(distance >= 2, 0)
    inside = (pixel + 1).minimum(length[:, None]) - pixel.clamp(min=0)
    weights *= inside.clamp(0, 1)[:, :, None]
    return weights / weights.sum(dim=1, keepdim=True)
