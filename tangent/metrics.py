"""Accuracy of features under a zero-shot head (docs/protocol.md, "Selecting α"); numpy only."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tangent.errors import UserError


def logits(features: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Logits [n, classes] (float32): L2-normalised features times the head's weight.

    Args:
        features: encoder features [n, d].
        weight: zero-shot weight [classes, d], class embeddings × exp(logit_scale).

    Raises:
        UserError: features and head have different widths, or a feature is not finite.
    """
    features = np.asarray(features, dtype=np.float32)
    weight = np.asarray(weight, dtype=np.float32)
    if features.ndim != 2 or weight.ndim != 2 or features.shape[1] != weight.shape[1]:
        raise UserError(
            f"features of shape {features.shape} do not fit a head of shape {weight.shape}: both "
            "must come from one model (run the steps heads and features again)."
        )
    if not np.isfinite(features).all():
        raise UserError(
            "some features are not finite numbers: the weights that made them have diverged or "
            "are damaged; check the fine-tuning's log and lower its learning rate."
        )
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    # torch's normalize has the same floor: a feature of zeros gives logits of zeros.
    return (features / np.maximum(norms, 1e-12)) @ weight.T


def predictions(features: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Predicted classes [n] (int64): the largest logit, the first one among equals.

    Raises:
        UserError: as `logits`.
    """
    return logits(features, weight).argmax(axis=1)


def accuracy(features: np.ndarray, labels: np.ndarray, weight: np.ndarray) -> float:
    """Fraction of images, in [0, 1], whose predicted class is the label.

    Args:
        features: encoder features [n, d].
        labels: classes [n], integers.
        weight: zero-shot weight [classes, d].

    Raises:
        UserError: there are no images, the number of labels differs, a label has no class in the
            head, or as `logits`.
    """
    labels = np.asarray(labels)
    if len(labels) != len(features) or len(labels) == 0:
        raise UserError(
            f"{len(features)} features and {len(labels)} labels: accuracy needs one label for "
            "each image and at least one image."
        )
    if labels.min() < 0 or labels.max() >= len(weight):
        raise UserError(
            f"labels run from {labels.min()} to {labels.max()}, but the head has {len(weight)} "
            "classes: head and data set belong to different tasks."
        )
    return float(np.mean(predictions(features, weight) == labels))


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
