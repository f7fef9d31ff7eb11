"""From a source to three checked splits on disk (docs/protocol.md, "Data")."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from tangent.datasets.sources import SourceData
from tangent.datasets.split import Split
from tangent.errors import UserError
from tangent.tasks import Task

# Splits are part of the protocol: this seed is not the study's.
VALIDATION_SEED = 0


def cut_validation(n: int, fraction: float, maximum: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the validation images: torch's `random_split` with a generator seeded 0.

    Args:
        n: size of the source's training set.
        fraction: share of it to hold out, rounded down.
        maximum: the largest number of images to hold out.

    Returns:
        Indices of the remaining training images [n - k] and of the validation images [k], both
        int64, in the order drawn.

    Raises:
        UserError: nothing would be left on one side.
    """
    import torch
    from torch.utils.data import random_split

    held_out = min(int(fraction * n), maximum)
    if not 0 < held_out < n:
        raise UserError(
            f"a training set of {n} images gives {held_out} validation images (validation.fraction "
            f"{fraction}, validation.maximum {maximum}), but at least one image must be on each "
            "side: take more images or another fraction."
        )
    train, validation = random_split(
        range(n), [n - held_out, held_out], torch.Generator().manual_seed(VALIDATION_SEED)
    )
    return np.asarray(train.indices), np.asarray(validation.indices)


def prepare(
    task: Task, source: SourceData, fraction: float, maximum: int
) -> tuple[dict[str, Split], dict[str, Any]]:
    """Cut the validation split and check everything that later steps rely on.

    Returns:
        The three splits by name, and a description of them: number of images and SHA-256 each.

    Raises:
        UserError: the number of classes differs from the task's, a split is empty or malformed, or
            two splits share an image.
    """
    where = f"data set of task {task.name}"
    if source.classes != len(task.classes):
        raise UserError(
            f"{where}: the source has {source.classes} classes, but the task names "
            f"{len(task.classes)} (tangent/tasks/{task.name}.yaml). Correct the list of class "
            "names, in the order of the source's labels, or choose another source."
        )

    def split(name: str, images: np.ndarray, labels: np.ndarray) -> Split:
        made = Split(task.name, name, images, labels, task.classes)
        made.check(where)
        return made

    whole = split("train", *source.train)
    train, validation = cut_validation(len(whole), fraction, maximum)
    splits = {
        "train": split("train", whole.images[train], whole.labels[train]),
        "validation": split("validation", whole.images[validation], whole.labels[validation]),
        "test": split("test", *source.test),
    }
    if splits["test"].images.shape[1:] != whole.images.shape[1:]:
        raise UserError(
            f"{where}: test images are {splits['test'].images.shape[1:]}, training images "
            f"{whole.images.shape[1:]} (height, width, channels): decode both to one size."
        )
    _check_disjoint(splits, where)
    return splits, {
        name: {"n": len(split), "sha256": split.sha256()} for name, split in splits.items()
    }


def save(splits: dict[str, Split], folder: Path) -> None:
    """Write the three splits to the task's folder."""
    for split in splits.values():
        split.save(folder)


def _check_disjoint(splits: dict[str, Split], where: str) -> None:
    hashes = {name: split.image_hashes() for name, split in splits.items()}
    for first, second in combinations(splits, 2):
        known = set(hashes[first])
        shared = sum(digest in known for digest in hashes[second])
        if shared:
            raise UserError(
                f"{where}: {shared} of the {len(hashes[second])} {second} images are also {first} "
                "images (equal SHA-256 of their pixels), so accuracies would be too high. Remove "
                "the duplicates from the source, or choose a source with clean splits."
            )
