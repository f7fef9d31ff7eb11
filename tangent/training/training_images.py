"""The training images of a task, and how a batch of them is made (see `examples`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from tangent.data.augmentation import in_stored_pixels, random_boxes, resized_crop
from tangent.data.preprocess import normalize, to_device
from tangent.data.split import Split


class TrainingImages:
    """Stored training images, read from disk batch by batch and augmented on the device.

    Args:
        split: the training split of a prepared data set.

    Attributes:
        labels: int64 [n], on the CPU.
    """

    def __init__(self, split: Split) -> None:
        self._split = split
        self.labels = torch.from_numpy(split.labels)

    def __len__(self) -> int:
        return len(self._split)

    def draw(self, generator: torch.Generator, rows: Tensor) -> Tensor:
        """Draw a crop [b, 4], in stored pixels, for each of some images.

        Args:
            generator: the random generator; its numbers go to the images in the order given.
            rows: int64 [b], which images.
        """
        originals, sizes = self._split.originals[rows.numpy()], self._split.sizes[rows.numpy()]
        boxes = random_boxes(originals, generator)
        return in_stored_pixels(boxes, originals, sizes)

    def batch(
        self, rows: Tensor, boxes: Tensor, device: torch.device, preprocess: Mapping[str, Any]
    ) -> Tensor:
        """Augment and normalise some images.

        Args:
            rows: int64 [b], which.
            boxes: the crops of these b images, in stored pixels.
            device: where the work is done.
            preprocess: `tangent.models.preprocess_config` of the model.

        Returns:
            float32 [b, 3, model height, model width] on the device.
        """
        pixels = to_device(self._split.read(rows.numpy()), device).contiguous()
        return normalize(resized_crop(pixels, boxes, tuple(preprocess["size"])), preprocess)

    def like(self, count: int, preprocess: Mapping[str, Any]) -> Tensor:
        """A tensor of the shape and type of a batch of `count`, without values (on `meta`)."""
        return torch.empty(count, 3, *preprocess["size"], device="meta")
