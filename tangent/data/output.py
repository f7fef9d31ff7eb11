"""The second pass over a data set of images: rows are decoded again and written to their places.

Splits need not fit into memory: of a file's size and header all is known after the first pass.
"""

import json
import logging
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tangent.data.examined import Member, for_each
from tangent.data.preprocess import geometry, resized
from tangent.data.regions import reachable, reduced, stored_sizes
from tangent.data.split import split_path
from tangent.jobs.errors import UserError
from tangent.jobs.files import MAPPED_TYPES, atomic_path, remove_remains
from tangent.tasks.task_files import Task

_TYPE_NAMES = {np.dtype(numpy_name): name for name, numpy_name in MAPPED_TYPES.items()}

logger = logging.getLogger("tangent")


@dataclass(frozen=True)
class ImageForm:
    """Images as pixels, for models of an image size."""

    image_size: int

    def describe(self) -> dict[str, Any]:
        """How images are brought to size."""
        return geometry(self.image_size)

    def write(
        self, task: Task, members: Mapping[str, Member], folder: Path, threads: int, what: str
    ) -> dict[str, dict[str, int]]:
        """Write all splits, or none of them, of the data set that messages call `what`.

        Returns:
            Of each split, the `bytes` of its file.

        Raises:
            UserError: the disk is too small, or a file cannot be written.
        """
        outputs = {
            name: _SplitFile(task, name, member, self.image_size)
            for name, member in members.items()
        }
        needed = sum(output.size for output in outputs.values())
        images = sum(map(len, members.values()))
        logger.info("%s: %d images take %.3f GB in %s", what, images, needed / 1e9, folder)
        remove_remains(folder)  # they may be gigabytes, and nothing else finds them
        _check_space(folder, needed, what)
        with ExitStack() as files:
            for name, output in outputs.items():
                # Atomic: if one fails, nothing of any is left.
                temporary = files.enter_context(atomic_path(split_path(folder, name)))
                output.begin(files.enter_context(open(temporary, "r+b", buffering=0)))
            for name, output in outputs.items():
                rows = output.member.rows
                for_each(rows, output.write, threads, f"write {what}, {name}", "image")
        return {name: {"bytes": output.size} for name, output in outputs.items()}


class _SplitFile:
    """The file of one split: its tensors, and how a row becomes a part of them."""

    def __init__(self, task: Task, name: str, member: Member, image_size: int) -> None:
        self.member = member
        n = len(member)
        self._place = np.empty(len(member.official.rows), np.int64)
        self._place[member.rows] = np.arange(n)
        # What is known before the images are decoded again.
        self._arrays = member.arrays()
        if name == "train":
            originals = member.of("originals")
            self._regions = reachable(originals)
            self._sizes = stored_sizes(originals, image_size)
            self._arrays["originals"] = originals
        else:
            self._regions, self._sizes = None, np.full((n, 2), image_size)
            self._geometry = geometry(image_size)
        lengths = self._sizes.prod(axis=1) * 3
        self._starts = np.cumsum(lengths) - lengths
        if (self._sizes != self._sizes[0]).any():
            self._arrays |= {"sizes": self._sizes, "offsets": self._starts}
            pixels = {"pixels": [int(lengths.sum())]}
        else:
            pixels = {"images": [n, *self._sizes[0].tolist(), 3]}
        metadata = member.metadata(task, name, geometry(image_size))
        self._header, self._begins, self.size = _layout(self._arrays, pixels, metadata)
        (self._pixels,) = (self._begins[name] for name in pixels)

    def begin(self, file: BinaryIO) -> None:
        """Write all but the images."""
        self._descriptor = file.fileno()
        self._write(self._header, 0)
        for name, array in self._arrays.items():
            self._write(np.ascontiguousarray(array).data.cast("B"), self._begins[name])

    def write(self, row: int) -> None:
        """Decode a row of the official split and write it to its place."""
        from PIL import Image

        picture, place = Image.fromarray(self.member.official.rows[row]), self._place[row]
        if self._regions is None:
            pixels = np.asarray(resized(picture, self._geometry))
        else:
            pixels = reduced(picture, self._regions[place], self._sizes[place])
        content = np.ascontiguousarray(pixels).data.cast("B")
        self._write(content, self._pixels + int(self._starts[place]))

    def _write(self, content: bytes | memoryview, position: int) -> None:
        # Not a writable memory map: on a full disk that kills the process without a word.
        left = memoryview(content)
        while left:
            written = os.pwrite(self._descriptor, left, position)
            left, position = left[written:], position + written


def _layout(
    arrays: Mapping[str, np.ndarray], pixels: Mapping[str, Sequence[int]], metadata: dict[str, str]
) -> tuple[bytes, dict[str, int], int]:
    """Of a safetensors file: its header, where each tensor begins, and its size, in bytes.

    After `arrays` (uint8 or int64) comes a tensor of uint8 of which `pixels` has the shape.
    """
    tensors = {name: (array.dtype, array.shape) for name, array in arrays.items()}
    tensors |= {name: (np.dtype(np.uint8), shape) for name, shape in pixels.items()}
    entries: dict[str, object] = {"__metadata__": metadata}
    begins, position = {}, 0
    for name, (dtype, shape) in tensors.items():
        begins[name], position = position, position + math.prod(shape) * dtype.itemsize
        offsets = [begins[name], position]
        entries[name] = {"dtype": _TYPE_NAMES[dtype], "shape": shape, "data_offsets": offsets}
    text = json.dumps(entries, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    content = text.encode()
    content = content.ljust(-(-len(content) // 8) * 8)  # so that int64 is aligned
    header = len(content).to_bytes(8, "little") + content
    begins = {name: len(header) + begin for name, begin in begins.items()}
    return header, begins, len(header) + position


def _check_space(folder: Path, needed: int, what: str) -> None:
    place = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise UserError(
            f"{what} needs {needed:,} bytes in {folder}, but only {free:,} bytes are free there. "
            "Free some space, or let the configuration key paths.resources name a folder on a "
            "larger disk."
        )
