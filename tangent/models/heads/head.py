"""What every kind of head can do, with numpy alone and with torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tangent.jobs.errors import UserError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class TorchHead(ABC):
    """A head on a device: differentiable, and image by image, so that `vmap` can run it.

    Attributes:
        classes: number of classes.
        device: where its tensors are.
    """

    classes: int
    device: torch.device

    def inputs(self, x: Tensor) -> Tensor:
        """What the encoder must be given to answer this head's question about inputs x.

        That is x itself, unless a head asks for features that depend on its classes: then it
        matters where x belongs to another task's data set.
        """
        return x

    @abstractmethod
    def logits(self, features: Tensor) -> Tensor:
        """Class scores [batch, classes] of features [batch, d], in the features' type."""

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Sum over the batch of what training minimises: cross-entropy of [batch, classes]."""
        import torch.nn.functional as F

        return F.cross_entropy(logits, labels, reduction="sum")


class Head(ABC):
    """A frozen map from features [n, d] to class scores [n, classes]; needs no torch.

    Attributes:
        kind: its name in the registry and in files.
        classes: number of classes.
        width: d.
    """

    kind: ClassVar[str]

    @property
    @abstractmethod
    def classes(self) -> int: ...

    @property
    @abstractmethod
    def width(self) -> int: ...

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """The tensors that its file holds."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], path: Path) -> Head:
        """The head of a file's tensors; `path` names the file in messages.

        Raises:
            UserError: they are not those of such a head.
        """

    @classmethod
    @abstractmethod
    def joined(cls, heads: Sequence[Head]) -> Head:
        """One head of all classes of several heads of a model, in their order."""

    @abstractmethod
    def on(self, device: torch.device | str) -> TorchHead:
        """The same head on a device."""

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Class scores [n, classes] (float32) of features [n, d].

        Raises:
            UserError: features and head have different widths, or a feature is not finite.
        """
        features = np.asarray(features, dtype=np.float32)
        if features.ndim != 2 or features.shape[1] != self.width:
            raise UserError(
                f"features of shape {features.shape} do not fit a head that reads {self.width} "
                "numbers: both must come from one model (run the steps heads and features again)."
            )
        if not np.isfinite(features).all():
            raise UserError(
                "some features are not finite numbers: the weights that made them have diverged "
                "or are damaged; check the fine-tuning's log and lower its learning rate."
            )
        return self._scores(features)

    @abstractmethod
    def _scores(self, features: np.ndarray) -> np.ndarray:
        """`logits` of features that have been checked, float32."""
