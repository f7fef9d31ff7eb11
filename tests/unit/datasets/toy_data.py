"""A data set in memory: encoded pictures of any size and mode."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from tangent.jobs.errors import UserError
from tangent.tasks.task_files import Task

TASK = Task("toy", "", ("a", "b", "c"), ("a {}",))


@dataclass
class Pictures:
    """Rows of encoded pictures, decoded when they are asked for.

    Attributes:
        files: an encoded picture each.
        labels: int64 [n].
        keys: file names, for the order `name`.
        decoded: the rows that were asked for, in that order.
    """

    files: list[bytes]
    labels: np.ndarray
    keys: list[str] | None = None
    decoded: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.files)

    def name(self, row: int) -> str:
        return f"picture {row}"

    def key(self, row: int) -> str:
        if self.keys is None:
            raise UserError("these pictures have no names")
        return self.keys[row]

    def open(self, row: int) -> Image.Image:
        """The picture as Pillow opens its file."""
        return Image.open(io.BytesIO(self.files[row]))

    def __getitem__(self, row: int) -> np.ndarray:
        self.decoded.append(row)
        return np.array(self.open(row).convert("RGB"))

    def take(self, order: Sequence[int]) -> Pictures:
        """The same pictures in another order."""
        keys = self.keys and [self.keys[row] for row in order]
        return Pictures([self.files[row] for row in order], self.labels[list(order)], keys)


def encoded(picture: Image.Image, suffix: str = "png") -> bytes:
    """A picture's file."""
    content = io.BytesIO()
    picture.save(content, suffix)
    return content.getvalue()


def noise(rng: np.random.Generator, height: int, width: int) -> Image.Image:
    """A picture of random pixels."""
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def pictures(rng: np.random.Generator, sizes: Sequence[tuple[int, int]]) -> Pictures:
    """Pictures of these heights and widths; the classes take turns."""
    files = [encoded(noise(rng, *size)) for size in sizes]
    return Pictures(files, np.arange(len(files)) % len(TASK.classes))
