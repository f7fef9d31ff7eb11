"""Seeded images of any task's classes, for runs where no data can be had."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from tangent.data.sources.source import Rows, Sizes, Source, SourceData
from tangent.jobs.keys import PositiveInteger, Seed
from tangent.tasks.task_files import AnyTask, Task

# Classes differ by a coarse pattern of so many cells a side.
_CELLS = 4
_NOISE = 48


class SyntheticRows(Rows):
    """Images that are a blurred pattern of their class plus noise, made when they are asked for.

    The classes take turns; no two splits share an image.
    """

    def __init__(self, task: Task, split: str, n: int, source: Synthetic) -> None:
        super().__init__(np.arange(n) % len(task.classes), f"synthetic {task.name} {split}")
        self._stream = [source.seed, zlib.crc32(task.name.encode())]
        self._split = zlib.crc32(split.encode())
        self._rows, self._columns = _interpolation(source.height), _interpolation(source.width)

    def __getitem__(self, row: int) -> np.ndarray:
        of_class = np.random.default_rng([*self._stream, int(self.labels[row])])
        pattern = of_class.integers(_NOISE, 256 - _NOISE, (_CELLS, _CELLS, 3))
        smooth = np.einsum("hi,wj,ijc->hwc", self._rows, self._columns, pattern, optimize=True)
        of_row = np.random.default_rng([*self._stream, self._split, row])
        noise = of_row.integers(-_NOISE, _NOISE, smooth.shape)
        return (smooth + noise).astype(np.uint8)


class Synthetic(Source):
    """Noise around a pattern per class, in any size: to try a study out without its data.

    Its results mean nothing.
    """

    source: Literal["synthetic"]
    """`synthetic`: made-up images."""
    height: PositiveInteger
    """Height of the images in pixels."""
    width: PositiveInteger
    """Width of the images in pixels."""
    seed: Seed
    """Seed of the images. Not the study's seed."""

    def open_copy(self, task: AnyTask, sizes: Sizes, details: Mapping[str, Any]) -> SourceData:
        """Splits of the expected sizes."""
        splits = {
            split: SyntheticRows(task, split, n, self)
            for split, n in vars(sizes).items()
            if n is not None
        }
        return SourceData.of(splits, task.classes)


def _interpolation(length: int) -> np.ndarray:
    """Weights [length, cells] of linear interpolation between the cells' centres."""
    places = np.linspace(0, _CELLS - 1, length)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(_CELLS)))
