"""From a source to checked splits on disk, decoded once (docs/protocol.md, "Data").

Two passes: the first decodes the rows that are needed, hashes them and checks everything that later
steps rely on; the second decodes them again in the order of the files and writes them. So memory
holds digests and never a split, and nothing is written before it is known to be right and to fit.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from tangent.datasets import writer
from tangent.datasets.digest import BYTES, by_content, content_sha256, digests
from tangent.datasets.parallel import for_each
from tangent.datasets.preprocess import geometry, resizer
from tangent.datasets.regions import reachable, reduced, stored_sizes
from tangent.datasets.sources import ImageRows, SourceData
from tangent.datasets.split import SPLITS, split_path
from tangent.errors import UserError
from tangent.progress import Progress
from tangent.tasks import Task, match_labels

logger = logging.getLogger("tangent")

# Splits are part of the protocol: this seed is not the study's.
VALIDATION_SEED = 0
# Official data sets hold a few images twice; more than these are a leak between the splits.
LARGEST_SHARED_SHARE = 0.005


@dataclass(frozen=True)
class Recipe:
    """How a data set is prepared.

    Attributes:
        image_size: the model's image size, in pixels.
        order: of the rows before validation images are drawn: `content` sorts by row digest,
            `name` by file name, `source` keeps the source's.
        has_validation: the data set has a validation split of its own.
        fraction: else, the share of the training images to hold out, rounded down …
        maximum: … and the largest number of them.
        splits: which splits are wanted.
        threads: decode so many images at a time; no result depends on it.
    """

    image_size: int
    order: str = "content"
    has_validation: bool = False
    fraction: float = 0.1
    maximum: int = 5000
    splits: tuple[str, ...] = SPLITS
    threads: int = 1


class _Official:
    """An official split: its rows, their labels as class indices, and what the first pass found.

    Attributes:
        images: SHA-256 of each image, uint8 [n, 32].
        digests: row digests, uint8 [n, 32].
        originals: heights and widths, int64 [n, 2].
    """

    def __init__(self, name: str, rows: ImageRows, labels: np.ndarray) -> None:
        self.name, self.rows, self.labels = name, rows, labels
        n = len(rows)
        self.images, self.digests = np.zeros((2, n, BYTES), np.uint8)
        self.originals = np.zeros((n, 2), np.int64)
        self._is_examined = np.zeros(n, bool)

    def examine(self, rows: np.ndarray, threads: int, what: str) -> None:
        """Decode and hash those of the rows that have not been."""

        def work(row: int) -> None:
            pixels = self.rows[row]
            self.originals[row] = pixels.shape[:2]
            image, digest = digests(pixels, self.labels[row])
            self.images[row] = np.frombuffer(image, np.uint8)
            self.digests[row] = np.frombuffer(digest, np.uint8)
            self._is_examined[row] = True

        left = rows[~self._is_examined[rows]]
        with Progress(f"check {what}, {self.name}", len(left), "image") as progress:
            for_each(left, work, threads, progress)

    def ordered(self, recipe: Recipe, what: str) -> np.ndarray:
        """Return all rows in the recipe's order."""
        every = np.arange(len(self.rows))
        if recipe.order == "content":
            self.examine(every, recipe.threads, what)
            return by_content(self.digests)
        if recipe.order == "name":
            return np.array(sorted(every.tolist(), key=self.rows.key), np.int64)
        return every


@dataclass(frozen=True)
class _Member:
    """A split to be written: rows of an official split, in the order of the file."""

    official: _Official
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, name: str) -> np.ndarray:
        """Return an array of the official split for these rows."""
        return getattr(self.official, name)[self.rows]


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


def prepare(task: Task, source: SourceData, recipe: Recipe, folder: Path) -> dict[str, Any]:
    """Write the splits of a task, checked; none is left behind if one fails.

    Args:
        task: the task.
        source: its official splits.
        recipe: how to prepare them.
        folder: where the files go.

    Returns:
        What dataset.json says of them: `classes_checked`, `validation`, `shared` (images that two
        splits share), `geometry`, `order`, and `splits` (number of images, digest, bytes).

    Raises:
        UserError: labels are not the task's, a class has no training image, an image is unreadable,
            two splits share images, the disk is full.
    """
    what = f"the data set {task.name}"
    official = {
        name: _Official(name, rows, _labels(task, source.classes, rows.labels, f"{what}, {name}"))
        for name, rows in vars(source).items()
        if name in SPLITS and rows is not None
    }
    if source.classes is None:
        logger.info("%s names no classes: that its labels are in our order is unchecked", what)
    validation = "the source's own" if source.validation else "cut from train"
    if recipe.has_validation and source.validation is None:
        validation += ": this copy has none of its own"
        logger.info("%s: this copy has no validation split, so it is cut from train", what)
    if "train" in recipe.splits:
        _check_classes(task, official["train"].labels, what)
    members = {
        name: member
        for name, member in _members(official, recipe, what).items()
        if name in recipe.splits
    }
    for member in members.values():
        member.official.examine(member.rows, recipe.threads, what)
    shared = _shared_images(members, what)
    sizes = _write(task, members, recipe, folder, what)
    return {
        "classes_checked": source.classes is not None,
        "validation": validation,
        "shared": shared,
        "geometry": geometry(recipe.image_size),
        "order": recipe.order,
        "splits": {
            name: {
                "n": len(member),
                "sha256": content_sha256(member.of("digests")),
                "bytes": sizes[name],
            }
            for name, member in members.items()
        },
    }


def _labels(
    task: Task, classes: tuple[str, ...] | None, labels: np.ndarray, where: str
) -> np.ndarray:
    """Return labels as indices into the task's classes."""
    count = len(task.classes) if classes is None else len(classes)
    if labels.min() < 0 or labels.max() >= count:
        raise UserError(
            f"{where}: labels go from {labels.min()} to {labels.max()}, but there are {count} "
            f"classes, so they must go from 0 to {count - 1}. Do the class names "
            f"(tangent/tasks/{task.name}.yaml) belong to this data set?"
        )
    return labels if classes is None else match_labels(task, classes)[labels]


def _members(official: Mapping[str, _Official], recipe: Recipe, what: str) -> dict[str, _Member]:
    ordered = {name: split.ordered(recipe, what) for name, split in official.items()}
    if "validation" in official:
        return {name: _Member(official[name], ordered[name]) for name in SPLITS}
    train, validation = cut_validation(len(ordered["train"]), recipe.fraction, recipe.maximum)
    return {
        "train": _Member(official["train"], ordered["train"][train]),
        "validation": _Member(official["train"], ordered["train"][validation]),
        "test": _Member(official["test"], ordered["test"]),
    }


def _check_classes(task: Task, labels: np.ndarray, what: str) -> None:
    missing = np.setdiff1d(np.arange(len(task.classes)), labels)
    if len(missing):
        names = ", ".join(repr(task.classes[index]) for index in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise UserError(
            f"{what}: no training image is of class {names}{more}. Is the copy complete, and of "
            "this data set? A smaller selection needs more images."
        )


def _shared_images(members: Mapping[str, _Member], what: str) -> dict[str, int]:
    """Count the images that two splits share; too many are refused."""
    known = {name: member.of("images") for name, member in members.items()}
    hashes = {name: [row.tobytes() for row in rows] for name, rows in known.items()}
    shared = {}
    for first, second in combinations(members, 2):
        of_first = set(hashes[first])
        count = sum(image in of_first for image in hashes[second])
        shared[f"{first}, {second}"] = count
        if count > LARGEST_SHARED_SHARE * len(hashes[second]):
            raise UserError(
                f"{what}: {count} of the {len(hashes[second])} {second} images are also {first} "
                "images (equal SHA-256 of their pixels), so accuracies would be too high. Remove "
                "the duplicates from the source, or choose a source with clean splits."
            )
        if count:
            logger.warning("%s: %d %s images are also %s images", what, count, second, first)
    return shared


def _write(
    task: Task, members: Mapping[str, _Member], recipe: Recipe, folder: Path, what: str
) -> dict[str, int]:
    """Write all splits, or none; returns the files' sizes in bytes."""
    outputs = {name: _Output(task, name, member, recipe) for name, member in members.items()}
    needed = sum(output.layout.size for output in outputs.values())
    images = sum(map(len, members.values()))
    logger.info("%s: %d images take %.3f GB in %s", what, images, needed / 1e9, folder)
    writer.check_space(folder, needed, what)
    with ExitStack() as files:
        for name, output in outputs.items():
            path = split_path(folder, name)
            output.begin(files.enter_context(writer.create(path, output.layout)))
        for name, output in outputs.items():
            with Progress(f"write {what}, {name}", len(output.member), "image") as progress:
                for_each(output.member.rows, output.write, recipe.threads, progress)
    return {name: output.layout.size for name, output in outputs.items()}


class _Output:
    """The file of one split: its tensors, and how a row becomes a part of them."""

    def __init__(self, task: Task, name: str, member: _Member, recipe: Recipe) -> None:
        self.member = member
        n, size = len(member), recipe.image_size
        self._place = np.empty(len(member.official.rows), np.int64)
        self._place[member.rows] = np.arange(n)
        # What is known before the images are decoded again.
        self._arrays = {"labels": member.of("labels"), "hashes": member.of("digests")}
        if name == "train":
            originals = member.of("originals")
            self._regions = reachable(originals)
            self._sizes = stored_sizes(originals, size)
            self._arrays["originals"] = originals
        else:
            self._regions, self._sizes = None, np.broadcast_to([size, size], (n, 2))
            self._resize = resizer(geometry(size))
        self._ends = np.cumsum(self._sizes.prod(axis=1) * 3)
        is_ragged = bool((self._sizes != self._sizes[0]).any())
        if is_ragged:
            self._arrays["sizes"] = self._sizes
            self._arrays["offsets"] = self._ends - self._sizes.prod(axis=1) * 3
        self._name = "pixels" if is_ragged else "images"
        shape = [self._ends[-1]] if is_ragged else [n, *self._sizes[0], 3]
        tensors = {key: (value.dtype.type, value.shape) for key, value in self._arrays.items()}
        metadata = {
            "task": task.name,
            "split": name,
            "classes": json.dumps(task.classes),
            "geometry": json.dumps(geometry(size)),
            "content_sha256": content_sha256(self._arrays["hashes"]),
        }
        self.layout = writer.Layout.of(tensors | {self._name: (np.uint8, shape)}, metadata)

    def begin(self, file: writer.RowWriter) -> None:
        """Write all but the images."""
        self._file = file
        for name, array in self._arrays.items():
            file.write(name, array)

    def write(self, row: int) -> None:
        """Decode a row of the official split and write it to its place."""
        from PIL import Image

        picture = Image.fromarray(self.member.official.rows[row])
        place = self._place[row]
        if self._regions is None:
            pixels = np.asarray(self._resize(picture))
        else:
            pixels = reduced(picture, self._regions[place], self._sizes[place])
        if self._name == "images":
            self._file.write("images", pixels, place)
        else:
            self._file.write("pixels", pixels, self._ends[place] - pixels.size)
