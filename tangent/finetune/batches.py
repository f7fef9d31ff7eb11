"""Order and augmentation of the training images, both functions of (seed, task, epoch) alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tangent.finetune.images import TrainingImages
from tangent.runtime import generator


@dataclass(frozen=True)
class TrainingBatches:
    """Augmented batches of a training set.

    Every epoch has a new order and new crops (the public code repeats one order), the same in both
    trainings. As in the public code, the last batch of an epoch may be short.

    Attributes:
        images: the training set.
        device: where batches are made.
        preprocess: `tangent.models.preprocess_config` of the model.
        batch_size: images per step.
        seed: the study's seed.
        task: name of the task; tasks have independent streams of chance.
    """

    images: TrainingImages
    device: torch.device
    preprocess: Mapping[str, Any]
    batch_size: int
    seed: int
    task: str

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch, a short last one included."""
        return -(-len(self.images) // self.batch_size)

    def epoch(self, number: int, skip: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images float32 [batch, 3, size, size] and labels int64 [batch] of an epoch.

        Args:
            number: the epoch, counted from 0.
            skip: leave out this many batches at its beginning (a resumed run has trained on them).
        """
        chance = generator(self.seed, self.task, number)
        n = len(self.images)
        order = torch.randperm(n, generator=chance)
        boxes = self.images.draw_boxes(chance, order)
        for start in range(skip * self.batch_size, n, self.batch_size):
            batch = slice(start, start + self.batch_size)
            rows = order[batch]
            images = self.images.batch(rows, boxes[batch], self.device, self.preprocess)
            yield images, self.images.labels[rows].to(self.device)
