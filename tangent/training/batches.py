"""Order and augmentation of the training examples, both functions of (seed, task, epoch) alone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from tangent.jobs.runtime import generator
from tangent.training.examples import TrainingExamples

T = TypeVar("T")


class Batch(NamedTuple):
    """One process's share of a step's examples, augmented, on its device.

    Attributes:
        inputs: [share, ...], what the encoder reads.
        labels: int64 [share].
        size: examples of all shares.
        weight: 1; 0 for one that only stands in where there are fewer examples than processes.
    """

    inputs: Tensor
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
        examples: the training set.
        batch_size: examples per step, over all processes.
        seed: the study's seed.
        task: name of the task; tasks have independent random streams.
        device: where batches are made.
        rank: this process; it takes the rows `rank`, `rank` + `processes`, … of every batch.
        processes: number of processes.
    """

    examples: TrainingExamples
    batch_size: int
    seed: int
    task: str
    device: torch.device
    rank: int = 0
    processes: int = 1

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch, a short last one included."""
        return -(-len(self.examples.labels) // self.batch_size)

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
        rng = generator(self.seed, self.task, number)
        n = len(self.examples.labels)
        order = torch.randperm(n, generator=rng)
        drawn = self.examples.draw(rng, order)
        for start in range(skip * self.batch_size, n, self.batch_size):
            end = min(start + self.batch_size, n)
            share, weight = slice(start + self.rank, end, self.processes), 1.0
            if share.start >= end:  # a process without examples would have no gradient to add
                share, weight = slice(start, start + 1), 0.0
            rows = order[share]
            inputs = self.examples.batch(rows, drawn[share], self.device)
            labels = self.examples.labels[rows].to(self.device)
            yield Batch(inputs, labels, end - start, weight)


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
