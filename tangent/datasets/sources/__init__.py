"""Where a data set's images come from: rows that are decoded one by one when they are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tangent.files import read_json
from tangent.sources import Source, call
from tangent.tasks import Task

if TYPE_CHECKING:
    from PIL.Image import Image


class ImageRows(Protocol):
    """The rows of one official split, in the source's order; safe to read from several threads."""

    labels: np.ndarray
    """int64 [n], in the source's own numbering."""

    def __len__(self) -> int: ...

    def name(self, row: int) -> str:
        """What messages call a row."""
        ...

    def key(self, row: int) -> str:
        """File name without folder and suffix; UserError if the source has none."""
        ...

    def __getitem__(self, row: int) -> Image:
        """The decoded picture in its own mode and size; UserError if it is unreadable."""
        ...


@dataclass(frozen=True)
class SourceData:
    """The official splits of a data set.

    Attributes:
        train, test: their rows.
        validation: those of the source's own validation split, if it has one.
        classes: the source's class names in its label order; None if it has numbers only.
    """

    train: ImageRows
    validation: ImageRows | None
    test: ImageRows
    classes: tuple[str, ...] | None


@dataclass(frozen=True)
class Sizes:
    """Expected numbers of images; `validation` is None if it is cut from train."""

    train: int
    validation: int | None
    test: int


@dataclass(frozen=True)
class Located:
    """The source that was found: its entry of the configuration, where it is, what was skipped."""

    entry: dict[str, Any]
    details: dict[str, Any] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)


class ArrayRows:
    """Rows of images in memory, uint8 [n, height, width, 3] or [n, height, width]."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, name: str) -> None:
        self.labels = labels
        self._images, self._name = images, name

    def __len__(self) -> int:
        return len(self._images)

    def name(self, row: int) -> str:
        """See `ImageRows.name`."""
        return f"{self._name}, image {row}"

    def key(self, row: int) -> str:
        """See `ImageRows.key`."""
        from tangent.errors import UserError

        raise UserError(f"{self._name}: images in an array have no names to be ordered by.")

    def __getitem__(self, row: int) -> Image:
        """See `ImageRows.__getitem__`."""
        from PIL import Image

        return Image.fromarray(self._images[row])


def locate(task: Task, entries: Sequence[Mapping[str, Any]], sizes: Sizes) -> Located:
    """Find the first source that is there."""
    return Located(dict(entries[0]))


def read_located(path: str | Path) -> Located:
    """Read the file that scripts/locate_dataset.py writes."""
    content = read_json(path)
    return Located(content["entry"], content["details"], content["skipped"])


def open_source(task: Task, located: Located, sizes: Sizes) -> SourceData:
    """Open the source that was found."""
    return call(SOURCES, located.entry, f"datasets.{task.name}", task, sizes)


def _demo(task: Task, sizes: Sizes, seed: int) -> SourceData:
    """Rendered and bundled images of the demo world."""
    from tangent.demo.world import render_task

    def rows(split: str, images: int) -> ArrayRows:
        return ArrayRows(*render_task(task.name, split, images, seed), f"demo {task.name} {split}")

    return SourceData(rows("train", sizes.train), None, rows("test", sizes.test), task.classes)


SOURCES = {"demo": Source(_demo, ("seed",))}
