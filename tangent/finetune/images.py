"""The training images of a task, and how a batch of them is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tangent.augment import Boxes, crop_scale, random_boxes, training_images


class TrainingImages:
    """Decoded images of one size.

    Args:
        images: uint8 [n, height, width, 3].
        labels: int64 [n].
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self._pixels = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
        self.labels = torch.from_numpy(labels)

    def __len__(self) -> int:
        return len(self.labels)

    def draw_boxes(self, generator: torch.Generator) -> Boxes:
        """Draw a crop for each of the n images, in their order."""
        return random_boxes(len(self), tuple(self._pixels.shape[2:]), crop_scale(), generator)

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
