"""The training images of a task, and how a batch of them is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from tangent.augment import Boxes, crop_scale, random_boxes, training_images
from tangent.datasets.split import Split


class TrainingImages:
    """Decoded images of one size.

    Args:
        split: the training split of a prepared data set.

    Attributes:
        labels: int64 [n], on the CPU.
    """

    def __init__(self, split: Split) -> None:
        self._pixels = torch.from_numpy(split.images).permute(0, 3, 1, 2).contiguous()
        self.labels = torch.from_numpy(split.labels)

    def __len__(self) -> int:
        return len(self.labels)

    def draw_boxes(self, generator: torch.Generator, rows: Tensor) -> Boxes:
        """Draw a crop for each of some images (int64 [b], which), in this order."""
        return random_boxes(len(rows), tuple(self._pixels.shape[2:]), crop_scale(), generator)

    def batch(
        self, rows: Tensor, boxes: Boxes, device: torch.device, preprocess: Mapping[str, Any]
    ) -> Tensor:
        """Augment and normalise some images.

        Args:
            rows: int64 [b], which.
            boxes: the crops of these b images.
            device: where the work is done.
            preprocess: `tangent.models.preprocess_config` of the model.

        Returns:
            float32 [b, 3, model height, model width] on the device.
        """
        return training_images(self._pixels[rows].to(device), boxes, preprocess)
