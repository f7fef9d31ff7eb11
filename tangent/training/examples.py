"""Training examples of a task: what the training loop asks of them, and which class has them."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from tangent.data.split import AnySplit
from tangent.jobs.dependencies import Registry
from tangent.training.training_images import TrainingImages
from tangent.training.training_texts import TrainingTexts


class TrainingExamples(Protocol):
    """Training examples of a task.

    Attributes:
        labels: int64 [n], on the CPU.
    """

    labels: Tensor

    def draw(self, generator: torch.Generator, rows: Tensor) -> Any:
        """Draw the augmentation of some examples, which slices as `rows` do.

        Args:
            generator: the random generator; its numbers go to the examples in the order given.
            rows: int64 [b], which examples.
        """

    def batch(self, rows: Tensor, drawn: Any, device: torch.device) -> Tensor:
        """The encoder's inputs [b, ...] of some examples, on the device.

        Args:
            rows: int64 [b], which.
            drawn: the augmentation of these b examples.
            device: where the work is done.
        """

    def like(self, count: int) -> Tensor:
        """A tensor of the shape and type of a batch of `count`, without values (on `meta`)."""


# By the kind of their split.
KINDS: Registry[Callable[[Any, Mapping[str, Any]], TrainingExamples]] = {
    "image": TrainingImages,
    "text": TrainingTexts,
}


def training_examples(split: AnySplit, preprocess: Mapping[str, Any]) -> TrainingExamples:
    """The training examples of a prepared data set's split, for a model's preprocessing."""
    return KINDS[split.kind](split, preprocess)
