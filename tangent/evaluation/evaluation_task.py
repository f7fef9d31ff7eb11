"""What evaluations work with: edited models, seen through features, and tasks: heads and labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from tangent.data.split import split_path
from tangent.evaluation import outcomes
from tangent.evaluation.feature_tables import read_entry
from tangent.jobs.errors import UserError
from tangent.models.heads.head import Head
from tangent.models.heads.stored import load_head

SPLIT = "validation"
"""The only split that α is chosen on."""

SPLITS = (SPLIT, "test")


class EditedModel(Protocol):
    """A model at θ0 + Σ α_t τ_t, seen through its features: evaluations do not know which kind.

    `LinearizedEditedModel` looks f(x; θ0) + Σ α_t J(x)τ_t up in tables, without a model or torch;
    `PlainEditedModel` runs f(x; θ0 + Σ α_t τ_t) with the weights edited in place.
    """

    def features(
        self,
        coefficients: Mapping[str, float],
        dataset: str,
        split: str,
        rows: np.ndarray | None = None,
    ) -> np.ndarray:
        """Encoder features [images, features] (float32) of the edited model.

        Args:
            coefficients: α of each task vector by name; those not named are zero. `sum` names the
                sum of all task vectors (task addition with one shared α).
            dataset: name of the data set whose images are encoded.
            split: `validation` or `test`.
            rows: the images wanted, as indices into the split; all of them if None.

        Raises:
            UserError: a task vector, data set or split that this model does not have.
        """


@dataclass(frozen=True, eq=False)
class Accuracy:
    """How often a head of `classes` classes is right on the images of a split.

    Attributes:
        correct: whether it is on each image, bool [n].
        classes: the number of classes of the head.
    """

    correct: np.ndarray
    classes: int

    @property
    def accuracy(self) -> float:
        """The fraction of images, in [0, 1]."""
        return float(np.mean(self.correct))

    @property
    def n(self) -> int:
        """The number of images."""
        return len(self.correct)

    @property
    def outcomes(self) -> str:
        """`correct` as text: for comparisons on the same images (`tangent.evaluation.outcomes`)."""
        return outcomes.encode(self.correct)

    def as_json(self) -> dict[str, Any]:
        """The numbers as results hold them, and the outcomes."""
        return {name: getattr(self, name) for name in ("accuracy", "n", "classes", "outcomes")}


class EvaluationTask:
    """A data set and its head.

    Args:
        name: the data set's name.
        head: from features to class scores.
        labels: gives the labels [images] (int64) of a split; called once per split that is used,
            so a validation step never touches test data.
    """

    def __init__(self, name: str, head: Head, labels: Callable[[str], np.ndarray]) -> None:
        self.name = name
        self.head = head
        self.labels = cache(labels)

    @classmethod
    def load(
        cls, name: str, heads_dir: Path, datasets_dir: Path, kind: str | None = None
    ) -> EvaluationTask:
        """The task of `heads_dir/{name}/head.safetensors` and `datasets_dir/{name}/*.safetensors`.

        `kind` is what the head must be (`tangent.models.heads.stored.HEADS`); None takes any.

        Raises:
            UserError: the head is missing or of another kind; later, a split is missing or has
                other classes.
        """
        head_file = head_path(heads_dir, name)
        head = load_head(head_file, kind)

        def labels(split: str) -> np.ndarray:
            path = split_path(datasets_dir / name, split)
            labels, metadata = read_entry(path, "labels")
            classes = json.loads(metadata.get("classes", "null"))
            if classes is not None and len(classes) != head.classes:
                raise UserError(
                    f"{head_file} is a head of {head.classes} classes, {path} holds "
                    f"{len(classes)}: build the head again from the same task."
                )
            return labels

        return cls(name, head, labels)

    def accuracy(
        self, edited: EditedModel, coefficients: Mapping[str, float], split: str
    ) -> Accuracy:
        """Accuracy of the edited model on all images of `split`."""
        return self.accuracy_of(edited.features(coefficients, self.name, split), split)

    def accuracy_of(self, features: np.ndarray, split: str) -> Accuracy:
        """Accuracy of the head on features [images, features] of all images of `split`.

        Raises:
            UserError: features, labels and head do not fit each other, or features are not finite.
        """
        labels = self.labels(split)
        try:
            return Accuracy(self.head.outcomes(features, labels), self.head.classes)
        except UserError as error:
            raise UserError(f"{self.name}, split {split}: {error}") from error


class SweepPoint(NamedTuple):
    """Accuracy at one α on one task: a row of sweep.csv.

    Attributes:
        alpha: coefficient of the task vector, as the operation is written (negation subtracts it).
        task: the data set.
        split: always `validation`.
        accuracy: in [0, 1].
        normalized: accuracy / reference accuracy on the same split; single-task (addition) or
            pre-trained (negation; not a number where that is zero).
    """

    alpha: float
    task: str
    split: str
    accuracy: float
    normalized: float


def head_path(heads_dir: Path, name: str) -> Path:
    """Where the head of task `name` lies."""
    return heads_dir / name / "head.safetensors"
