"""Heads: what every kind can do, with numpy alone and with torch, and how often one is right.

Accuracies are defined in docs/protocol.md, "Selecting α".
"""

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

    from tangent.tasks.task_files import AnyTask


class TorchHead(ABC):
    """A head on a device: differentiable, and image by image, so that `vmap` can run it.

    Attributes:
        classes: number of classes.
        tensors: those of the head's file, by name.
        device: where they are.
    """

    def __init__(self, head: Head, device: torch.device | str) -> None:
        import torch

        arrays = head.arrays()
        self.tensors = {name: torch.tensor(of, device=device) for name, of in arrays.items()}
        self.classes, self.device = head.classes, next(iter(self.tensors.values())).device

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
        on_device: the class of the same head on a device.
    """

    kind: ClassVar[str]
    title: ClassVar[str] = "a head"
    tensors: ClassVar[dict[str, str]]
    on_device: ClassVar[type[TorchHead]]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(getattr(self, self._of_classes()[0]))

    @property
    def width(self) -> int:
        """d, numbers of a feature."""
        return self.weight.shape[1]

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

    @classmethod
    def build(cls, folder: Path, task: AnyTask, device: torch.device) -> Self:
        """A task's head for the model in a folder, from the texts of the task's classes.

        Raises:
            UserError: a head of this kind is not made from texts, the model's files are missing or
                damaged, or its tokenizer does not suit the texts.
        """
        raise UserError(f"the model in {folder} has {cls.title}, which scripts.fit_probe makes.")

    def on(self, device: torch.device | str) -> TorchHead:
        """The same head on a device."""
        return self.on_device(self, device)

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

    def outcomes(self, features: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Whether the class predicted by each image's features [n, d] is its label [n]: bool [n].

        Raises:
            UserError: there are no images, the number of labels differs, a label has no class in
                the head, or as `logits`.
        """
        labels = np.asarray(labels)
        if len(labels) != len(features) or len(labels) == 0:
            raise UserError(
                f"{len(features)} features and {len(labels)} labels: accuracy needs one label for "
                "each image and at least one image."
            )
        if labels.min() < 0 or labels.max() >= self.classes:
            raise UserError(
                f"labels run from {labels.min()} to {labels.max()}, but the head has "
                f"{self.classes} classes: head and data set belong to different tasks."
            )
        return predictions(features, self) == labels

    @abstractmethod
    def _scores(self, features: np.ndarray) -> np.ndarray:
        """`logits` of features that have been checked, float32."""


def predictions(features: np.ndarray, head: Head) -> np.ndarray:
    """Predicted classes [n] (int64): the largest logit, the first one among equals.

    Raises:
        UserError: as `Head.logits`.
    """
    return head.logits(features).argmax(axis=1)


def accuracy(features: np.ndarray, labels: np.ndarray, head: Head) -> float:
    """Fraction of images, in [0, 1], whose predicted class is the label; as `Head.outcomes`."""
    return float(np.mean(head.outcomes(features, labels)))


def normalized_accuracy(edited: Mapping[str, float], single_task: Mapping[str, float]) -> float:
    """Mean over tasks of edited accuracy / single-task accuracy (a mean of ratios).

    Args:
        edited: accuracy of the edited model, by task.
        single_task: accuracy of the same mode's model fine-tuned on that task alone, same split.

    Raises:
        UserError: the tasks differ, there are none, or a single-task accuracy is not positive.
    """
    if not edited or edited.keys() != single_task.keys():
        raise UserError(
            f"accuracies of {sorted(edited)} cannot be normalised by those of "
            f"{sorted(single_task)}: both must have the same tasks, at least one."
        )
    for task, reference in single_task.items():
        if not reference > 0:
            raise UserError(
                f"the single-task accuracy on {task} is {reference:g}, so nothing can be "
                "normalised by it: fine-tune that task longer or give it more images."
            )
    return float(np.mean([edited[task] / single_task[task] for task in edited]))
