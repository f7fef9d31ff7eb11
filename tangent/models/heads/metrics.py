"""Accuracy of features under a head (docs/protocol.md, "Selecting α"); numpy only."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tangent.jobs.errors import UserError
from tangent.models.heads.head import Head


def predictions(features: np.ndarray, head: Head) -> np.ndarray:
    """Predicted classes [n] (int64): the largest logit, the first one among equals.

    Raises:
        UserError: as `Head.logits`.
    """
    return head.logits(features).argmax(axis=1)


def outcomes(features: np.ndarray, labels: np.ndarray, head: Head) -> np.ndarray:
    """Whether each image's predicted class is its label, bool [n].

    Args:
        features: encoder features [n, d].
        labels: classes [n], integers.
        head: of the images' task.

    Raises:
        UserError: there are no images, the number of labels differs, a label has no class in the
            head, or as `Head.logits`.
    """
    labels = np.asarray(labels)
    if len(labels) != len(features) or len(labels) == 0:
        raise UserError(
            f"{len(features)} features and {len(labels)} labels: accuracy needs one label for "
            "each image and at least one image."
        )
    if labels.min() < 0 or labels.max() >= head.classes:
        raise UserError(
            f"labels run from {labels.min()} to {labels.max()}, but the head has {head.classes} "
            "classes: head and data set belong to different tasks."
        )
    return predictions(features, head) == labels


def accuracy(features: np.ndarray, labels: np.ndarray, head: Head) -> float:
    """Fraction of images, in [0, 1], whose predicted class is the label; as `outcomes`."""
    return float(np.mean(outcomes(features, labels, head)))


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
