"""The training images of a task, and how a batch of them is made (see `examples`)."""

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
        preprocess: `tangent.models.preprocess_config` of the model.
    """

    def __init__(self, split: Split, preprocess: Mapping[str, Any]) -> None:
        self._split, self._preprocess = split, preprocess
        self.labels = torch.from_numpy(split.labels)

    def draw(self, generator: torch.Generator, rows: Tensor) -> Tensor:
        """Draw a crop [b, 4], in stored pixels, for each of some images."""
        originals, sizes = self._split.originals[rows.numpy()], self._split.sizes[rows.numpy()]
        boxes = random_boxes(originals, generator)
        return in_stored_pixels(boxes, originals, sizes)

    def batch(self, rows: Tensor, boxes: Tensor, device: torch.device) -> Tensor:
        """Augment and normalise some images: float32 [b, 3, model height, model width]."""
        pixels = to_device(self._split.read(rows.numpy()), device).contiguous()
        size = tuple(self._preprocess["size"])
        return normalize(resized_crop(pixels, boxes, size), self._preprocess)

    def like(self, count: int) -> Tensor:
        """See `TrainingExamples.like`."""
        return torch.empty(count, 3, *self._preprocess["size"], device="meta")
