"""Order and augmentation of the training images, both functions of (seed, task, epoch) alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from tangent.finetune.images import TrainingImages
from tangent.runtime import generator

T = TypeVar("T")


@dataclass(frozen=True)
class Batch:
    """One process's share of a step's images, augmented, on its device.

    Attributes:
        images: float32 [share, 3, size, size].
        labels: int64 [share].
        size: images of all shares.
        weight: 1; 0 for an image that only stands in where there are fewer images than processes.
    """

    images: Tensor
    labels: Tensor
    size: int
    weight: float


@dataclass(frozen=True)
class TrainingBatches:
    """Augmented batches of a training set.

    Every epoch has a new order and new crops (the public code repeats one order), the same in both
    trainings and for any number of processes. As in the public code, the last batch of an epoch may
    be short.

    Attributes:
        images: the training set.
        preprocess: `tangent.models.preprocess_config` of the model.
        batch_size: images per step, over all processes.
        seed: the study's seed.
        task: name of the task; tasks have independent streams of chance.
        device: where batches are made.
        rank: this process; it takes the rows `rank`, `rank` + `processes`, … of every batch.
        processes: number of processes.
    """

    images: TrainingImages
    preprocess: Mapping[str, Any]
    batch_size: int
    seed: int
    task: str
    device: torch.device
    rank: int = 0
    processes: int = 1

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch, a short last one included."""
        return -(-len(self.images) // self.batch_size)

    def like(self, count: int) -> Tensor:
        """A tensor of the shape and type of `count` images, without values (on `meta`)."""
        return torch.empty(count, 3, *self.preprocess["size"], device="meta")

    def from_step(self, step: int, epochs: int) -> Iterator[Batch]:
        """Yield the batches of a training from a step (counted from 0) to the end of its epochs.

        For a GPU the next batch is made while the model works on the last one.
        """
        first, skip = divmod(step, self.steps_per_epoch)
        batches = (
            batch
            for epoch in range(first, epochs)
            for batch in self.epoch(epoch, skip if epoch == first else 0)
        )
        return one_ahead(batches) if self.device.type == "cuda" else batches

    def epoch(self, number: int, skip: int = 0) -> Iterator[Batch]:
        """Yield this process's share of each batch of an epoch.

        Args:
            number: the epoch, counted from 0.
            skip: leave out this many batches at its beginning (a resumed run has trained on them).
        """
        chance = generator(self.seed, self.task, number)
        n = len(self.images)
        order = torch.randperm(n, generator=chance)
        boxes = self.images.draw_boxes(chance, order)
        for start in range(skip * self.batch_size, n, self.batch_size):
            end = min(start + self.batch_size, n)
            share, weight = slice(start + self.rank, end, self.processes), 1.0
            if share.start >= end:  # a process without images would have no gradient to add
                share, weight = slice(start, start + 1), 0.0
            rows = order[share]
            images = self.images.batch(rows, boxes[share], self.device, self.preprocess)
            labels = self.images.labels[rows].to(self.device)
            yield Batch(images, labels, end - start, weight)


def one_ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield the same items in the same order, the next one being made in a thread meanwhile.

    An exception in the thread is raised here, where its item is due.
    """
    end = object()
    with ThreadPoolExecutor(max_workers=1) as thread:
        pending = thread.submit(next, items, end)
        while (item := pending.result()) is not end:
            pending = thread.submit(next, items, end)
            yield item
