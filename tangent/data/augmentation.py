"""open_clip's training preprocessing for whole batches of stored training images.

Its transform is a random resized crop (torchvision's boxes, Pillow's bicubic resampling with
antialiasing) and the normalisation. Per image in Python that costs more than a training step of a
small model, so boxes are drawn for an epoch at once, and resampling is two batched matrix products.
"""

import math

import numpy as np
import torch
from torch import Tensor

from tangent.data.regions import RATIO, SCALE, central_crops, reachable

_ATTEMPTS = 10


def random_boxes(originals: np.ndarray, generator: torch.Generator) -> Tensor:
    """Draw a crop for each image as torchvision's `RandomResizedCrop.get_params` does.

    Ten attempts at an area share (uniform in `SCALE`) and an aspect ratio (log-uniform in `RATIO`);
    the first box that fits into the image counts, at a uniform place; if none does, the largest
    central box within the ratios. The generator is on the CPU.

    Returns:
        Boxes, int64 [n, 4].
    """
    rows, columns = torch.from_numpy(np.ascontiguousarray(originals.T))[:, :, None]  # [n, 1] each
    uniform = torch.rand(4, len(originals), _ATTEMPTS, dtype=torch.float64, generator=generator)
    area = rows * columns * (SCALE[0] + (SCALE[1] - SCALE[0]) * uniform[0])
    low, high = math.log(RATIO[0]), math.log(RATIO[1])
    aspect = (low + (high - low) * uniform[1]).exp()
    width = (area * aspect).sqrt().round().long()
    height = (area / aspect).sqrt().round().long()
    fits = (width > 0) & (width <= columns) & (height > 0) & (height <= rows)

    first = fits.to(torch.uint8).argmax(dim=1, keepdim=True)
    width, height = width.gather(1, first), height.gather(1, first)
    top = (uniform[2].gather(1, first) * (rows - height + 1)).long()
    left = (uniform[3].gather(1, first) * (columns - width + 1)).long()

    drawn = torch.cat([top, left, height, width], dim=1)
    fallback = torch.from_numpy(central_crops(originals))
    return torch.where(fits.any(dim=1, keepdim=True), drawn, fallback)


def central_squares(originals: np.ndarray, image_size: int) -> Tensor:
    """The boxes that the evaluation preprocessing looks at, float64 [n, 4].

    It brings the shortest side to `image_size` and cuts the middle out, at a whole pixel.
    """
    resized = image_size * originals // originals.min(axis=1, keepdims=True)
    first = np.rint((resized - image_size) / 2)
    pixel = originals / resized  # of the resized image, in pixels of the original
    return torch.from_numpy(np.concatenate([first * pixel, image_size * pixel], axis=1))


def in_stored_pixels(boxes: Tensor, originals: np.ndarray, sizes: np.ndarray) -> Tensor:
    """Express boxes [n, 4] in pixels of what is kept of the images, float64 [n, 4].

    They stay as they are where the whole image is kept at its size. `sizes` are the heights and
    widths in which the reachable regions are kept, int64 [n, 2].
    """
    region = reachable(originals)
    scale = torch.from_numpy(sizes / region[:, 2:])
    corner = boxes[:, :2] - torch.from_numpy(region[:, :2])
    return torch.cat([corner * scale, boxes[:, 2:] * scale], dim=1)


def resized_crop(images: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Crop and resample as Pillow does: bicubic, antialiased, columns first, rounded to 8 bits.

    Args:
        images: uint8 [n, 3, height, width]; what lies outside of the boxes does not count.
        boxes: [n, 4], one for each image.
        size: height and width of the result.

    Returns:
        float32 [n, 3, *size] with whole numbers from 0 to 255. Where crops are enlarged they equal
        Pillow's but for a few values that differ by 1 or 2: Pillow rounds its coefficients to 22
        bits. Where they shrink, Pillow 13 takes rows first if that is cheaper, which changes
        the rounding and clipping between the two passes.
    """
    n, channels, rows, columns = images.shape
    top, left, height, width = boxes.to(images.device).unbind(1)
    across = _bicubic_weights(left, width, columns, size[1])  # [n, columns, out]
    down = _bicubic_weights(top, height, rows, size[0])  # [n, rows, out]
    pixels = images.float().view(n, channels * rows, columns)
    pixels = (pixels @ across).round_().clamp_(0, 255).view(n, channels, rows, size[1])
    return (down.transpose(1, 2)[:, None] @ pixels).round_().clamp_(0, 255)


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
