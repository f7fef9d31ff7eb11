"""Data of the user's own: files at any places of this machine, counted before anything runs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from tangent.data.sources.image_files import (
    SUFFIXES,
    check_files,
    class_names,
    read_class_folders,
    read_table,
)
from tangent.data.sources.source import Absent, Contents, FileRows, Sizes, Source, SourceData
from tangent.jobs.errors import UserError
from tangent.jobs.keys import Folder, NonEmptyString
from tangent.tasks.task_files import AnyTask


class OwnFiles(Source):
    """Splits whose places the configuration names.

    What is there is listed: if a file is added, removed, moved, renamed, or gets another size, the
    data set is made again.
    """

    names_classes: ClassVar[bool] = True

    train: Folder
    """Where the training split is."""
    validation: Folder | None = None
    """Where the validation split is; without one, it is cut from the training split."""
    test: Folder
    """Where the test split is."""

    def places(self, name: str) -> dict[str, Path]:
        """The splits' places, for the task `name`.

        Raises:
            Absent: none is there.
            UserError: one is not there, or two splits are the same.
        """
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        places = {split: Path(at) for split, at in named.items() if at is not None}
        missing = [str(place) for place in places.values() if not place.exists()]
        if len(missing) == len(places):
            raise Absent(
                f"{' and '.join(missing)} do not exist: put them there, or correct the keys"
            )
        if missing:
            raise UserError(f"{missing[0]} does not exist: put it there, or correct the key.")
        for first, second in combinations(places, 2):
            if os.path.samefile(places[first], places[second]):
                raise UserError(
                    f"{first} and {second} are both {places[first]}: accuracies would be those of "
                    "examples that were trained on. Give each split its own."
                )
        return places

    def locate(self, task: AnyTask, sizes: Sizes) -> dict[str, Any]:
        places = {split: str(place) for split, place in self.places(task.name).items()}
        if sizes.validation is not None and "validation" not in places:
            raise UserError(
                f"beside {places['train']} there is no validation split: set datasets.{task.name}."
                "validation_images to null, and one is cut from the training split."
            )
        return {"places": places, "listing": self.contents(task.name).listing}

    def open_copy(self, task: AnyTask, sizes: Sizes, details: Mapping[str, Any]) -> SourceData:
        """Open what `locate` found; a `UserError` if it has changed since."""
        places = {split: Path(place) for split, place in details["places"].items()}
        if self.contents(task.name).listing != details["listing"]:
            raise UserError(
                f"{places['train']} or another split has changed since it was listed: start "
                "Snakemake again, which lists it anew."
            )
        return self.read(task, places)

    def contents(self, name: str) -> Contents:
        """Count and list the examples."""
        raise NotImplementedError

    def read(self, task: AnyTask, places: Mapping[str, Path]) -> SourceData:
        """Open the splits."""
        raise NotImplementedError


class OwnImages(OwnFiles):
    """Image files, whose classes have names."""

    def contents(self, name: str) -> Contents:
        data, digest = self._open(self.places(name)), hashlib.sha256()
        splits = {split: rows for split, rows in vars(data).items() if isinstance(rows, FileRows)}
        for split, rows in splits.items():
            for path, label in zip(rows.paths, rows.labels.tolist(), strict=True):
                entry = [split, path, data.classes[label], _size(path)]
                digest.update(json.dumps(entry).encode())
        counts = {split: len(rows) for split, rows in splits.items()}
        return Contents(Sizes(**{"validation": None, **counts}), digest.hexdigest())

    def class_names(self, name: str) -> tuple[str, ...]:
        return self._open(self.places(name)).classes

    def read(self, task: AnyTask, places: Mapping[str, Path]) -> SourceData:
        return self._open(places)

    def _open(self, places: Mapping[str, Path]) -> SourceData:
        raise NotImplementedError


class ClassFolders(OwnImages):
    """Images in one folder per class, whose name is the class's."""

    source: Literal["class_folders"]
    """`class_folders`: a folder per split, in it a folder per class."""

    def class_names(self, name: str) -> tuple[str, ...]:
        return class_names(self.places(name)["train"])

    def _open(self, places: Mapping[str, Path]) -> SourceData:
        data = read_class_folders(places)
        empty = np.setdiff1d(np.arange(len(data.classes)), data.train.labels)
        folders = [places["train"] / data.classes[label] for label in empty]
        folders += [places[split] for split in places if not len(getattr(data, split))]
        if folders:
            raise UserError(
                f"{folders[0]} holds no images: put some there, files that end in "
                f"{', '.join(SUFFIXES)}, or remove the class from all splits."
            )
        return data


class ImageTables(OwnImages):
    """Images that a table (CSV) per split lists, with the names of their classes.

    The first line names the columns. Paths are relative to the table's folder.
    """

    source: Literal["csv"]
    """`csv`: a table per split."""
    image: NonEmptyString = "path"
    """Column of the images' paths."""
    label: NonEmptyString = "label"
    """Column of the classes' names."""

    def _open(self, places: Mapping[str, Path]) -> SourceData:
        hint = "Name these in the first line, or others by the source's keys image and label."
        tables = {}
        for split, table in places.items():
            rows = read_table(table, (self.image, self.label), hint)
            if not rows:
                raise UserError(f"{table} lists no images: add some.")
            tables[split] = [(table.parent / row[self.image], row[self.label]) for row in rows]
        _check_paths(places, tables)
        classes = tuple(sorted({label for _, label in tables["train"]}))
        number, splits = {name: label for label, name in enumerate(classes)}, {}
        for split, rows in tables.items():
            if unknown := sorted({label for _, label in rows} - number.keys()):
                raise UserError(
                    f"{places[split]} has the label {unknown[0]!r}, which no image in "
                    f"{places['train']} has: correct one of them."
                )
            labels = [number[label] for _, label in rows]
            splits[split] = FileRows([str(path) for path, _ in rows], labels)
        return SourceData.of(splits, classes)


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}): restore or remove it."
        ) from error


def _check_paths(places: Mapping[str, Path], tables: Mapping[str, list[tuple[Path, str]]]) -> None:
    """Refuse an image that is not there, or is in two splits."""
    split_of: dict[str, str] = {}
    for split, rows in tables.items():
        folders: dict[Path, list[str]] = {}
        for path, _ in rows:
            folders.setdefault(path.parent, []).append(path.name)
            other = split_of.setdefault(os.path.normpath(path), split)
            if other != split:
                raise UserError(
                    f"{path} is listed by {places[other]} and by {places[split]}: an image may be "
                    "in one split only."
                )
        for folder, names in folders.items():
            check_files(places[split], folder, names)
