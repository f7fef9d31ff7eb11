"""Sources of data sets: their keys, how they find and read a copy, and the rows that they give.

Rows are decoded when they are asked for.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tangent.jobs.errors import UserError, first_line
from tangent.jobs.files import read_regular
from tangent.jobs.keys import Section
from tangent.tasks.task_files import AnyTask


class Rows:
    """The examples and labels of one official split, which are decoded when they are asked for.

    Any number of threads may ask at once. Ascending rows are the fast order: parquet files are
    read in groups of rows.

    Attributes:
        labels: int64 [n], in the source's own numbering.
        where: where they are from, for messages.
        classes: the names that the files give to their labels, in the labels' order, if they do.
    """

    def __init__(
        self, labels: Sequence[int] | np.ndarray, where: str, classes: tuple[str, ...] | None = None
    ) -> None:
        self.labels, self.where, self.classes = np.asarray(labels, np.int64), where, classes

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, row: int) -> str:
        """What a message calls the row, such as a file or a row of a file."""
        return f"{self.where}, row {row}"

    def key(self, row: int) -> str:
        """The file's name without folder and suffix; a `UserError` if there are no names."""
        raise no_names(self.where)

    def __getitem__(self, row: int) -> Any:
        """Decode an example.

        An image: uint8 [height, width, 3], RGB, as stored (no Exif rotation). A text: the values of
        the columns that its task's prompt reads, by name.

        Raises:
            UserError: it is missing, truncated or unreadable.
        """
        raise NotImplementedError


class ArrayRows(Rows):
    """Images in memory: uint8 [n, height, width, 3], or [n, height, width] for grey images."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, where: str) -> None:
        super().__init__(labels, where)
        self.images = images

    def __getitem__(self, row: int) -> np.ndarray:
        image = self.images[row]
        return np.stack([image] * 3, axis=-1) if image.ndim == 2 else np.array(image, order="C")


class FileRows(Rows):
    """One image file per row."""

    def __init__(self, paths: Sequence[str], labels: Sequence[int] | np.ndarray) -> None:
        super().__init__(labels, "files")
        self.paths = paths

    def name(self, row: int) -> str:
        return self.paths[row]

    def key(self, row: int) -> str:
        return Path(self.paths[row]).stem

    def __getitem__(self, row: int) -> np.ndarray:
        path = self.paths[row]
        try:
            content = read_regular(path)
        except OSError as error:
            raise UserError(
                f"{path} cannot be read ({error.strerror}): restore this file of the data set."
            ) from error
        return decode(content, path, "restore this file of the data set")


class TextRows(Rows):
    """Texts in memory: of each row, the values of the columns that the prompt reads, by name."""

    def __init__(
        self,
        values: Sequence[Mapping[str, Any]],
        labels: Sequence[int] | np.ndarray,
        where: str,
        classes: tuple[str, ...] | None = None,
    ) -> None:
        super().__init__(labels, where, classes)
        self.values = values

    def __getitem__(self, row: int) -> Mapping[str, Any]:
        return self.values[row]


def decode(content: bytes, name: str, remedy: str) -> np.ndarray:
    """Decode an image file as torchvision's loader does: Pillow, converted to RGB.

    Grey levels of 16 bits keep their upper 8, as Pillow does with colours of 16 bits.

    Args:
        content: the file's bytes.
        name: what a message calls the image.
        remedy: what the user can do if it is damaged.

    Returns:
        uint8 [height, width, 3].

    Raises:
        UserError: it is no image, a damaged or truncated one, a huge one, or one whose pixels have
            no known range.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as image:
            if math.prod(image.size) > Image.MAX_IMAGE_PIXELS:
                width, height = image.size
                raise UserError(f"{name} has {width} × {height} pixels, too many: make it smaller.")
            sixteen = image.mode == "I" and image.format in ("PNG", "PPM")  # as Pillow has them
            if image.mode.startswith("I;16") or sixteen:
                grey = np.array(image).astype(np.uint32) >> 8
                return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
            if image.mode in ("I", "F"):
                raise UserError(
                    f"{name} has pixels of 32 bits, whose range is not known: save it with 8 bits."
                )
            return np.array(image.convert("RGB"))
    except (UserError, MemoryError):
        raise
    except Exception as error:  # Pillow's decoders of damaged files raise errors of all kinds
        unknown = isinstance(error, UnidentifiedImageError)
        reason = "no known image format" if unknown else first_line(error)
        raise UserError(f"{name} is no complete image ({reason}): {remedy}.") from error


def no_names(where: str) -> UserError:
    """The error of a source without file names."""
    return UserError(
        f"{where}: its rows have no file names to sort by. Set the data set's key `order` to "
        "`content`."
    )


def labelled_texts(parts: Mapping[str, tuple[list, list, str, Any]]) -> dict[str, TextRows]:
    """Texts of all splits, whose labels are numbered alike: names in the order of the alphabet.

    Args:
        parts: of each split what `TextRows` takes, with the labels as the files have them: whole
            numbers or names.

    Raises:
        UserError: there is no row, one has no label, labels are of several types, neither numbers
            nor names, or too large to be any.
    """
    for _, labels, where, _ in parts.values():
        if None in labels:
            raise UserError(f"{where}: {labels.count(None)} rows have no label.")
        if not labels:
            raise UserError(f"{where} holds no rows: restore it.")
    every = [label for _, labels, _, _ in parts.values() for label in labels]
    kinds = set(map(type, every))
    if kinds == {str}:
        names = tuple(sorted(set(every)))
        number = {name: index for index, name in enumerate(names)}
        return {
            split: TextRows(values, [number[name] for name in labels], where, names)
            for split, (values, labels, where, _) in parts.items()
        }
    if kinds == {int} and max(map(abs, every)) >= 2**63:
        raise UserError(
            f"{parts['train'][2]}: {max(every, key=abs)} is no class's number: correct the labels, "
            "or the key `label` of the task's file."
        )
    if kinds not in ({int}, {bool}):
        raise UserError(
            f"{' and '.join(where for _, _, where, _ in parts.values())}: labels must all be whole "
            "numbers, or all be names, but they are "
            f"{', '.join(sorted(kind.__name__ for kind in kinds))}: correct the key `label` of the "
            "task's file."
        )
    return {split: TextRows(*part) for split, part in parts.items()}


class Absent(Exception):
    """A source has no copy of the data set; the message gives the reason and the remedy.

    The next source in the configured order is tried then. A copy that is there but wrong is a
    `UserError` instead: nothing is skipped silently.
    """


@dataclass(frozen=True)
class Sizes:
    """Numbers of examples that the configuration expects of the official splits.

    There is no number of a validation set if the configuration cuts one from the training set.
    """

    train: int
    validation: int | None
    test: int


@dataclass(frozen=True)
class Contents:
    """What a source has that lists it before anything runs.

    Attributes:
        sizes: numbers of examples.
        listing: digest of what is listed: another one is another data set.
    """

    sizes: Sizes
    listing: str


@dataclass(frozen=True)
class SourceData:
    """The official splits of a copy, with the labels in the copy's own numbering.

    Attributes:
        train: the training set, from which validation examples may be cut.
        validation: the data set's own validation set; None if the copy has none.
        test: the test set.
        classes: the copy's class names in the order of its labels; None if it has numbers only.
    """

    train: Rows
    validation: Rows | None
    test: Rows
    classes: tuple[str, ...] | None

    @classmethod
    def of(cls, splits: Mapping[str, Rows], classes: tuple[str, ...] | None) -> SourceData:
        """Rows by split; a validation set need not be among them."""
        return cls(splits["train"], splits.get("validation"), splits["test"], classes)


class Source(Section):
    """Where a data set may be: the entry of a configuration.

    Attributes:
        gives: the kinds of tasks that it has data sets of.
        names_classes: whether it knows the names of the classes of a task that has no file.
    """

    gives: ClassVar[tuple[str, ...]] = ("image",)
    names_classes: ClassVar[bool] = False

    def contents(self, name: str) -> Contents | None:
        """What is there for the task `name`, without decoding; None: it cannot be listed.

        Raises:
            Absent, UserError: as of `locate`.
        """
        return None

    def class_names(self, name: str) -> tuple[str, ...]:
        """The names of the classes, of a source that `names_classes`; raises as `contents`."""
        raise NotImplementedError

    def locate(self, task: AnyTask, sizes: Sizes) -> dict[str, Any]:
        """Find the copy; this may download.

        Returns:
            What `open_copy` needs to know of it, for JSON; nothing where the copy is made.

        Raises:
            Absent: it is not there.
            UserError: it is there but wrong.
        """
        return {}

    def open_copy(self, task: AnyTask, sizes: Sizes, details: Mapping[str, Any]) -> SourceData:
        """Open what `locate` found, without the network; damaged files are `UserError`s."""
        raise NotImplementedError
