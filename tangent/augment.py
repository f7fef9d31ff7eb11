"""open_clip's training preprocessing for whole batches of decoded images of one size.

Its transform is a random resized crop (torchvision's boxes, Pillow's bicubic resampling with
antialiasing) and the normalisation. Per image in Python that costs more than a training step of a
small model, so boxes are drawn for an epoch at once, and resampling is two batched matrix products.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tangent.datasets.preprocess import normalize

# torchvision's RandomResizedCrop: defaults of open_clip's training transform.
RATIO = (3 / 4, 4 / 3)
_ATTEMPTS = 10


@dataclass(frozen=True)
class Boxes:
    """Crops of n images, in pixels: int64 [n] each."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor

    def __getitem__(self, rows: slice | Tensor) -> Boxes:
        return Boxes(self.top[rows], self.left[rows], self.height[rows], self.width[rows])

    def to(self, device: torch.device) -> Boxes:
        """Move to a device."""
        return Boxes(*(side.to(device) for side in vars(self).values()))


def crop_scale() -> tuple[float, float]:
    """Return the range of a crop's share of the image's area, from open_clip's defaults."""
    from open_clip import AugmentationCfg

    return AugmentationCfg().scale


def random_boxes(
    n: int,
    size: tuple[int, int],
    scale: tuple[float, float],
    generator: torch.Generator,
    ratio: tuple[float, float] = RATIO,
) -> Boxes:
    """Draw n crop boxes with the distribution of torchvision's `RandomResizedCrop.get_params`.

    Ten attempts at an area share (uniform in `scale`) and an aspect ratio (log-uniform in `ratio`);
    the first box that fits into the image counts, at a uniform place; if none does, the largest
    central box within the ratios.

    Args:
        n: number of boxes.
        size: height and width of the images, in pixels.
        scale: smallest and largest share of the area.
        generator: source of chance, on the CPU.
        ratio: smallest and largest ratio of width to height.
    """
    rows, columns = size
    uniform = torch.rand(4, n, _ATTEMPTS, dtype=torch.float64, generator=generator)
    area = rows * columns * (scale[0] + (scale[1] - scale[0]) * uniform[0])
    low, high = math.log(ratio[0]), math.log(ratio[1])
    aspect = (low + (high - low) * uniform[1]).exp()
    width = (area * aspect).sqrt().round().long()
    height = (area / aspect).sqrt().round().long()
    fits = (width > 0) & (width <= columns) & (height > 0) & (height <= rows)

    first = fits.to(torch.uint8).argmax(dim=1, keepdim=True)
    width, height = width.gather(1, first)[:, 0], height.gather(1, first)[:, 0]
    top = (uniform[2].gather(1, first)[:, 0] * (rows - height + 1)).long()
    left = (uniform[3].gather(1, first)[:, 0] * (columns - width + 1)).long()

    found = fits.any(dim=1)
    whole_height, whole_width = _central_box(rows, columns, ratio)
    return Boxes(
        top=torch.where(found, top, (rows - whole_height) // 2),
        left=torch.where(found, left, (columns - whole_width) // 2),
        height=torch.where(found, height, whole_height),
        width=torch.where(found, width, whole_width),
    )


def resized_crop(images: Tensor, boxes: Boxes, size: tuple[int, int]) -> Tensor:
    """Crop and resample as Pillow does: bicubic, antialiased, columns first, rounded to 8 bits.

    Args:
        images: uint8 [n, 3, height, width].
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


def _central_box(rows: int, columns: int, ratio: tuple[float, float]) -> tuple[int, int]:
    if columns / rows < min(ratio):
        return round(columns / min(ratio)), columns
    if columns / rows > max(ratio):
        return rows, round(rows * max(ratio))
    return rows, columns


def _bicubic_weights(start: Tensor, length: Tensor, inputs: int, outputs: int) -> Tensor:
    """Return the resampling weights [n, inputs, outputs] of intervals of pixels, each summing to 1.

    Keys' cubic with a = -1/2, widened by the scale where that is above 1; pixels outside the
    interval count nothing, as if the crop were an image by itself.
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
    weights = torch.where(distance < 1, near, far)
    inside = (pixel >= 0) & (pixel < length[:, None])
    weights = weights.masked_fill_(~inside[:, :, None] | (distance >= 2), 0)
    return weights / weights.sum(dim=1, keepdim=True)
