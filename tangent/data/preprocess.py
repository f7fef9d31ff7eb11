"""open_clip's evaluation preprocessing, in two halves.

Resizing (per image, by Pillow, still uint8) is done once, when a data set is prepared; normalising
(a whole batch at once, on the device) when it is used, so that batches travel as uint8.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tangent.jobs.errors import UserError

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image


def geometry(image_size: int) -> dict[str, Any]:
    """Return how prepared images were brought to size: open_clip's default, as OpenAI's models."""
    size = [image_size, image_size]
    return {"size": size, "interpolation": "bicubic", "resize_mode": "shortest"}


def check_geometry(
    prepared: Mapping[str, Any], preprocess: Mapping[str, Any], where: object
) -> None:
    """Check that the `geometry` of a split is that of a model's `preprocess_config`.

    Raises:
        UserError: a setting differs, such as the size of images or the length of prompts; `where`
            is the split's file.
    """
    # Tuples as JSON has them.
    wanted = {k: list(v) if isinstance(v, tuple) else v for k, v in preprocess.items()}
    different = [name for name, value in prepared.items() if value != wanted.get(name)]
    if different:
        found, needed = (
            ", ".join(f"{name} {settings.get(name)}" for name in different)
            for settings in (prepared, wanted)
        )
        raise UserError(
            f"{where} was prepared with {found}, but the model's preprocessing has {needed}: set "
            "pretrained.<model>.image_size to the model's own image size (images are prepared "
            "square, bicubic, by the shortest side), and give the data sets that were prepared for "
            "this model."
        )


def resized(picture: Image, preprocess: Mapping[str, Any]) -> Image:
    """Bring a picture of any size and mode to RGB and the model's size, as open_clip does.

    By `size`, `interpolation` and `resize_mode` (and `fill_color` for `longest`).
    """
    height, width = preprocess["size"]
    if picture.size == (width, height):  # open_clip takes seconds to import
        return picture.convert("RGB")
    names = ("resize_mode", "interpolation", "fill_color")
    settings = {name: preprocess[name] for name in names if name in preprocess}
    for step in _steps((height, width), **settings):
        picture = step(picture)
    return picture


@cache
def _steps(size: tuple[int, int], **settings: Any) -> list[Callable[[Image], Image]]:
    """The part of open_clip's validation transform that comes before the tensor."""
    from open_clip.transform import image_transform

    # The last two are the conversion to a tensor and the normalisation: see `normalize`.
    return image_transform(size, is_train=False, **settings).transforms[:-2]


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


def to_device(images: np.ndarray, device: torch.device | str) -> torch.Tensor:
    """Send images uint8 [n, height, width, 3] to a device; returns a view [n, 3, height, width]."""
    import torch

    pixels = torch.from_numpy(images)
    if torch.device(device).type == "cuda":
        pixels = pixels.pin_memory()  # else the copy would wait for the GPU's work in progress
    return pixels.to(device, non_blocking=True).permute(0, 3, 1, 2)


def evaluation_images(
    images: np.ndarray | torch.Tensor, preprocess: Mapping[str, Any]
) -> torch.Tensor:
    """Preprocess decoded images as open_clip's validation transform does.

    Args:
        images: uint8 [n, height, width, 3], RGB, of any size. A tensor stays on its device; where
            its size is not the model's it visits the CPU.
        preprocess: `tangent.models.preprocess_config` of the model.

    Returns:
        float32 [n, 3, model height, model width].
    """
    import torch
    from PIL import Image

    pixels = torch.as_tensor(images)
    if tuple(pixels.shape[1:3]) != tuple(preprocess["size"]):
        pictures = (resized(Image.fromarray(image), preprocess) for image in pixels.cpu().numpy())
        pixels = torch.from_numpy(np.stack(list(map(np.asarray, pictures)))).to(pixels.device)
    return normalize(pixels.permute(0, 3, 1, 2).contiguous(), preprocess)
