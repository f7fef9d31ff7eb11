"""open_clip's evaluation preprocessing for arrays of decoded images.

Its two halves are apart: resizing (per image, only where sizes differ, still uint8) and normalising
(a whole batch at once, on the device), so that batches travel as uint8.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch


def resize_for_evaluation(images: np.ndarray, preprocess: Mapping[str, Any]) -> np.ndarray:
    """Bring images to the model's size as open_clip's validation transform does.

    Args:
        images: uint8 [n, height, width, 3].
        preprocess: `tangent.models.preprocess_config` of the model.

    Returns:
        uint8 [n, model height, model width, 3]; the same array where the size is the model's.
    """
    if images.shape[1:3] == tuple(preprocess["size"]):
        return images

    from open_clip.transform import image_transform
    from PIL import Image

    transform = image_transform(
        image_size=preprocess["size"],
        is_train=False,
        mean=preprocess["mean"],
        std=preprocess["std"],
        resize_mode=preprocess["resize_mode"],
        interpolation=preprocess["interpolation"],
        fill_color=preprocess["fill_color"],
    )
    # The last two steps are the conversion to a tensor and the normalisation: see `normalize`.
    to_size = transform.transforms[:-2]
    resized = np.empty((len(images), *preprocess["size"], 3), np.uint8)
    for index, image in enumerate(images):
        picture = Image.fromarray(image)
        for step in to_size:
            picture = step(picture)
        resized[index] = np.asarray(picture)
    return resized


def normalize(images: torch.Tensor, preprocess: Mapping[str, Any]) -> torch.Tensor:
    """Scale to [0, 1], subtract the mean and divide by the standard deviation, on any device.

    Args:
        images: [n, 3, height, width], values 0 to 255 of any dtype.
        preprocess: `tangent.models.preprocess_config` of the model.

    Returns:
        float32 [n, 3, height, width].
    """
    import torch

    mean, std = (
        torch.tensor(preprocess[name], dtype=torch.float32, device=images.device)[:, None, None]
        for name in ("mean", "std")
    )
    return images.float().div_(255).sub_(mean).div_(std)


def evaluation_images(
    images: np.ndarray | torch.Tensor, preprocess: Mapping[str, Any]
) -> torch.Tensor:
    """Preprocess decoded images as open_clip's validation transform does.

    Args:
        images: uint8 [n, height, width, 3], RGB, of any size. A tensor stays on its device; where
            its size is not the model's it visits the CPU, so resize such images once, with
            `resize_for_evaluation`, before they go to a GPU.
        preprocess: `tangent.models.preprocess_config` of the model.

    Returns:
        float32 [n, 3, model height, model width].
    """
    import torch

    if tuple(images.shape[1:3]) != tuple(preprocess["size"]):
        resized = resize_for_evaluation(torch.as_tensor(images).cpu().numpy(), preprocess)
        images = torch.from_numpy(resized).to(getattr(images, "device", "cpu"))
    pixels = torch.as_tensor(images).permute(0, 3, 1, 2).contiguous()
    return normalize(pixels, preprocess)
