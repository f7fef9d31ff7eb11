"""The training texts of a task, and how a batch of them is made (see `examples`)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from tangent.data.split import TokenSplit


class TrainingTexts:
    """Stored training texts; nothing about them is random.

    Args:
        split: the training split of a prepared data set.
        preprocess: the model's preprocessing, which the split was prepared by.
    """

    def __init__(self, split: TokenSplit, preprocess: Mapping[str, Any]) -> None:
        self._split = split
        self.labels = torch.from_numpy(split.labels)

    def draw(self, generator: torch.Generator, rows: Tensor) -> Tensor:
        """Nothing for each of some texts, [b, 0]; no number is taken from the generator."""
        return torch.empty(len(rows), 0)

    def batch(self, rows: Tensor, drawn: Tensor, device: torch.device) -> Tensor:
        """Tokens of some texts, int64 [b, L + C·T] on the device."""
        return torch.from_numpy(self._split.read(rows.numpy())).to(device, non_blocking=True)

    def like(self, count: int) -> Tensor:
        """See `TrainingExamples.like`."""
        width = self._split.tokens.shape[1]
        return torch.empty(count, width, dtype=torch.int64, device="meta")
