"""Order and augmentation of the training images, both functions of (seed, task, epoch) alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tangent.augment import crop_scale, random_boxes, training_images
from tangent.runtime import generator


@dataclass(frozen=True)
class TrainingBatches:
    """Augmented batches of a training set that stays on the device as uint8.

    Every epoch has a new order and new crops (the public code repeats one order), the same in both
    trainings. As in the public code, the last batch of an epoch may be short.

    Attributes:
        images: uint8 [n, 3, height, width] on the device.
        labels: int64 [n] on the device.
        preprocess: `tangent.models.preprocess_config` of the model.
        batch_size: images per step.
        seed: the study's seed.
        task: name of the task; tasks have independent streams of chance.
    """

    images: Tensor
    labels: Tensor
    preprocess: Mapping[str, Any]
    batch_size: int
    seed: int
    task: str

    @classmethod
    def from_arrays(
        cls,
        images: np.ndarray,
        labels: np.ndarray,
        device: torch.device,
        **settings: Any,
    ) -> TrainingBatches:
        """Put decoded images (uint8 [n, height, width, 3]) and labels on the device."""
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
        return cls(pixels.to(device), torch.from_numpy(labels).to(device), **settings)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch, a short last one included."""
        return -(-len(self.labels) // self.batch_size)

    def epoch(self, number: int, skip: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images float32 [batch, 3, size, size] and labels int64 [batch] of an epoch.

        Args:
            number: the epoch, counted from 0.
            skip: leave out this many batches at its beginning (a resumed run has trained on them).
        """
        chance = generator(self.seed, self.task, number)
        n = len(self.labels)
        order = torch.randperm(n, generator=chance)
        boxes = random_boxes(n, tuple(self.images.shape[2:]), crop_scale(), chance)
        for start in range(skip * self.batch_size, n, self.batch_size):
            rows = slice(start, start + self.batch_size)
            chosen = order[rows].to(self.labels.device)
            images = training_images(self.images[chosen], boxes[rows], self.preprocess)
            yield images, self.labels[chosen]
