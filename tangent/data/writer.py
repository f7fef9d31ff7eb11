"""Writing splits that do not fit into memory: files of known size, filled row by row."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tangent.jobs.errors import UserError
from tangent.jobs.files import MAPPED_TYPES, atomic_path

_TYPE_NAMES = {np.dtype(numpy_name): name for name, numpy_name in MAPPED_TYPES.items()}


@dataclass(frozen=True)
class Layout:
    """A safetensors file before it is written.

    Attributes:
        header: its first bytes.
        places: per tensor, the position of its first byte and the bytes of one row.
        size: of the whole file, in bytes.
    """

    header: bytes
    places: Mapping[str, tuple[int, int]]
    size: int

    @classmethod
    def of(
        cls, tensors: Mapping[str, tuple[type, Sequence[int]]], metadata: Mapping[str, str]
    ) -> Layout:
        """Lay out tensors of a type (uint8 or int64) and a shape each, in the order given."""
        entries: dict[str, object] = {"__metadata__": dict(metadata)}
        begins: dict[str, tuple[int, int]] = {}
        position = 0
        for name, (kind, shape) in tensors.items():
            dtype, shape = np.dtype(kind), [int(side) for side in shape]
            row = int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize
            begins[name] = (position, row)
            end = position + shape[0] * row
            entries[name] = {
                "dtype": _TYPE_NAMES[dtype], "shape": shape, "data_offsets": [position, end]
            }  # fmt: skip
            position = end
        text = json.dumps(entries, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        content = text.encode()
        content = content.ljust(-(-len(content) // 8) * 8)  # so that int64 is aligned
        header = len(content).to_bytes(8, "little") + content
        places = {name: (len(header) + begin, row) for name, (begin, row) in begins.items()}
        return cls(header, places, len(header) + position)


class RowWriter:
    """A safetensors file that is being filled, by several threads at once if they like."""

    def __init__(self, descriptor: int, layout: Layout) -> None:
        self._descriptor, self._places = descriptor, layout.places
        self._write(layout.header, 0)

    def write(self, name: str, rows: np.ndarray, first: int = 0) -> None:
        """Write rows of a tensor, beginning at row `first`.

        Raises:
            OSError: the disk is full, or the like.
        """
        begin, row = self._places[name]
        self._write(np.ascontiguousarray(rows).data.cast("B"), begin + first * row)

    def _write(self, content: bytes | memoryview, position: int) -> None:
        # Not a writable memory map: on a full disk that kills the process without a word.
        left = memoryview(content)
        while left:
            written = os.pwrite(self._descriptor, left, position)
            left, position = left[written:], position + written


@contextmanager
def create(path: Path, layout: Layout) -> Iterator[RowWriter]:
    """Write a safetensors file atomically: every row of every tensor must be written inside.

    Raises:
        UserError: the file cannot be written; nothing of it is left.
    """
    with atomic_path(path) as temporary, open(temporary, "r+b", buffering=0) as file:
        yield RowWriter(file.fileno(), layout)


def remove_remains(path: Path) -> None:
    """Remove what a killed run left of a file: it may be gigabytes, and nothing else finds it."""
    for remains in path.parent.glob(f".{path.name}.*.tmp{path.suffix}"):
        remains.unlink(missing_ok=True)


def check_space(folder: Path, needed: int, what: str) -> None:
    """Check that a folder's disk has room, before anything is written.

    Raises:
        UserError: fewer than `needed` bytes are free.
    """
    place = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise UserError(
            f"{what} needs {needed:,} bytes in {folder}, but only {free:,} bytes are free there. "
            "Free some space, or let the configuration key paths.resources name a folder on a "
            "larger disk."
        )
