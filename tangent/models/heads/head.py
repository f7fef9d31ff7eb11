"""Base classes of heads: what every kind can do, with numpy alone and with torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

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

    def __init__(self, weight: Tensor) -> None:
        self._weight, self.classes, self.device = weight, len(weight), weight.device

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
        title: the kind, for people.
        tensors: type and axes of what its file holds, by the name of the attribute; axes of one
            name have one size.
        width: d.
    """

    kind: ClassVar[str]
    title: ClassVar[str] = "a head"
    tensors: ClassVar[dict[str, str]]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(getattr(self, self._of_classes()[0]))

    @property
    @abstractmethod
    def width(self) -> int: ...

    def arrays(self) -> dict[str, np.ndarray]:
        """The tensors that its file holds."""
        return {name: np.atleast_1d(getattr(self, name)) for name in self.tensors}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], path: Path) -> Self:
        """The head of a file's tensors; `path` names the file in messages.

        Raises:
            UserError: they are not those of such a head.
        """
        sizes = {"1": 1}
        for name, form in cls.tensors.items():
            dtype, axes = form.rstrip("]").split(" [")
            found, axes = arrays.get(name), axes.split(", ")
            fits = found is not None and (found.dtype, found.ndim) == (dtype, len(axes))
            of_axes = zip(axes, found.shape, strict=True) if fits else ()
            if not fits or any(sizes.setdefault(axis, n) != n for axis, n in of_axes):
                needed = " and ".join(f"`{name}`, {form}" for name, form in cls.tensors.items())
                raise UserError(f"{path} is not {cls.title} (it needs {needed}).")
        return cls(**{name: arrays[name] for name in cls.tensors})

    @classmethod
    def joined(cls, heads: Sequence[Self]) -> Self:
        """One head of all classes of several heads of a model, in their order."""
        parts = {name: [getattr(head, name) for head in heads] for name in cls._of_classes()}
        return replace(heads[0], **{name: np.concatenate(of) for name, of in parts.items()})

    @classmethod
    def _of_classes(cls) -> list[str]:
        return [name for name, form in cls.tensors.items() if " [classes" in form]

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


def to_device(array: np.ndarray, device: torch.device | str) -> Tensor:
    """A copy of an array on a device."""
    import torch

    return torch.from_numpy(np.array(array)).to(device)
