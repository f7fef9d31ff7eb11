"""Lazily decoded examples of one split: what a source gives, for arrays and for files."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tangent.jobs.errors import UserError, first_line


class Rows(Protocol):
    """The examples and labels of one official split, which are decoded when they are asked for.

    Any number of threads may ask at once. Ascending rows are the fast order: parquet files are
    read in groups of rows.

    Attributes:
        labels: int64 [n], in the source's own numbering.
    """

    labels: np.ndarray

    def __len__(self) -> int: ...

    def name(self, row: int) -> str:
        """What a message calls the row, such as a file or a row of a file."""
        ...

    def key(self, row: int) -> str:
        """The example's file name without folder and suffix.

        Raises:
            UserError: the source has no file names.
        """
        ...

    def __getitem__(self, row: int) -> Any:
        """Decode an example.

        An image: uint8 [height, width, 3], RGB, as stored (no Exif rotation). A text: the values of
        the columns that its task's prompt reads, by name.

        Raises:
            UserError: it is missing, truncated or unreadable.
        """
        ...


class ArrayRows:
    """Images in memory.

    Args:
        images: uint8 [n, height, width, 3], or [n, height, width] for grey images.
        labels: whole numbers [n].
        where: where they are from, for messages.
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray, where: str) -> None:
        self.images, self.where = images, where
        self.labels = np.asarray(labels, np.int64)

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, row: int) -> str:
        return f"{self.where}, row {row}"

    def key(self, row: int) -> str:
        raise no_names(self.where)

    def __getitem__(self, row: int) -> np.ndarray:
        image = self.images[row]
        return np.stack([image] * 3, axis=-1) if image.ndim == 2 else np.array(image, order="C")


class FileRows:
    """One image file per row.

    Args:
        paths: the files.
        labels: whole numbers [n].
    """

    def __init__(self, paths: Sequence[str], labels: Sequence[int] | np.ndarray) -> None:
        self.paths = paths
        self.labels = np.asarray(labels, np.int64)

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, row: int) -> str:
        return self.paths[row]

    def key(self, row: int) -> str:
        return os.path.splitext(os.path.basename(self.paths[row]))[0]

    def __getitem__(self, row: int) -> np.ndarray:
        path = self.paths[row]
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise UserError(
                f"{path} cannot be read ({error.strerror}): restore this file of the data set."
            ) from error
        return decode(content, path, "restore this file of the data set")


def decode(content: bytes, name: str, remedy: str) -> np.ndarray:
    """Decode an image file as torchvision's loader does: Pillow, converted to RGB.

    Args:
        content: the file's bytes.
        name: what a message calls the image.
        remedy: what the user can do if it is damaged.

    Returns:
        uint8 [height, width, 3].

    Raises:
        UserError: it is no image, or a damaged or truncated one.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as image:
            return np.array(image.convert("RGB"))
    # What Pillow's decoders raise for damaged files.
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:
        unknown = isinstance(error, UnidentifiedImageError)
        reason = "no known image format" if unknown else first_line(error)
        raise UserError(f"{name} is no complete image ({reason}): {remedy}.") from error


def no_names(where: str) -> UserError:
    """The error of a source without file names."""
    return UserError(
        f"{where}: its rows have no file names to sort by. Set the data set's key `order` to "
        "`content`."
    )
