"""The second pass over a data set: its rows are decoded again and written to their places."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tangent.data import writer
from tangent.data.examined import Member, OfficialImages
from tangent.data.parallel import for_each
from tangent.data.preprocess import geometry, resizer
from tangent.data.regions import reachable, reduced, stored_sizes
from tangent.data.split import split_path
from tangent.jobs.progress import Progress
from tangent.tasks.image_task import Task

logger = logging.getLogger("tangent")


@dataclass(frozen=True)
class ImageForm:
    """Images as pixels.

    Attributes:
        image_size: the model's image size, in pixels.
    """

    image_size: int

    official = OfficialImages

    def describe(self) -> dict[str, Any]:
        """How images are brought to size."""
        return geometry(self.image_size)

    def write(
        self, task: Task, members: Mapping[str, Member], folder: Path, threads: int, what: str
    ) -> dict[str, dict[str, int]]:
        """Write all splits, or none of them; see `Form.write`."""
        return _write_splits(task, members, self.image_size, folder, threads, what)


def _write_splits(
    task: Task,
    members: Mapping[str, Member],
    image_size: int,
    folder: Path,
    threads: int,
    what: str,
) -> dict[str, dict[str, int]]:
    outputs = {name: _SplitFile(task, name, member, image_size) for name, member in members.items()}
    needed = sum(output.layout.size for output in outputs.values())
    images = sum(map(len, members.values()))
    logger.info("%s: %d images take %.3f GB in %s", what, images, needed / 1e9, folder)
    for name in outputs:
        writer.remove_remains(split_path(folder, name))
    writer.check_space(folder, needed, what)
    with ExitStack() as files:
        for name, output in outputs.items():
            path = split_path(folder, name)
            output.begin(files.enter_context(writer.create(path, output.layout)))
        for name, output in outputs.items():
            with Progress(f"write {what}, {name}", len(output.member), "image") as progress:
                for_each(output.member.rows, output.write, threads, progress)
    return {name: {"bytes": output.layout.size} for name, output in outputs.items()}


class _SplitFile:
    """The file of one split: its tensors, and how a row becomes a part of them."""

    def __init__(self, task: Task, name: str, member: Member, image_size: int) -> None:
        self.member = member
        n = len(member)
        self._place = np.empty(len(member.official.rows), np.int64)
        self._place[member.rows] = np.arange(n)
        # What is known before the images are decoded again.
        self._arrays = {"labels": member.of("labels"), "hashes": member.of("digests")}
        if name == "train":
            originals = member.of("originals")
            self._regions = reachable(originals)
            self._sizes = stored_sizes(originals, image_size)
            self._arrays["originals"] = originals
        else:
            self._regions, self._sizes = None, np.full((n, 2), image_size)
            self._resize = resizer(geometry(image_size))
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
            "geometry": json.dumps(geometry(image_size)),
            "content_sha256": member.content_sha256,
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

        picture, place = Image.fromarray(self.member.official.rows[row]), self._place[row]
        if self._regions is None:
            pixels = np.asarray(self._resize(picture))
        else:
            pixels = reduced(picture, self._regions[place], self._sizes[place])
        if self._name == "images":
            self._file.write("images", pixels, place)
        else:
            self._file.write("pixels", pixels, self._ends[place] - pixels.size)
