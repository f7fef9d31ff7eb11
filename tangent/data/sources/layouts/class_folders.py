"""Image files in one folder per class, in the order of torchvision's ImageFolder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tangent.data.sources.rows import FileRows
from tangent.data.sources.source import SourceData
from tangent.jobs.errors import UserError
from tangent.tasks.task_files import first_of

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def read(places: Mapping[str, Path]) -> SourceData:
    """Read `train`, `test` and, if it is there, `validation`: folders of class folders."""
    splits = {split: list_folder(folder) for split, folder in places.items()}
    classes = splits["train"][1]
    for split, (_, names) in splits.items():
        for lacking, having, only in (
            (split, "train", set(classes) - set(names)),
            ("train", split, set(names) - set(classes)),
        ):
            if only:
                raise UserError(
                    f"{places[lacking]} lacks class folders that {places[having]} has: "
                    f"{first_of(sorted(only))}. Every split needs a folder for every class."
                )
    return SourceData.of({split: rows for split, (rows, _) in splits.items()}, classes)


def list_folder(
    folder: Path, suffixes: tuple[str, ...] = SUFFIXES
) -> tuple[FileRows, tuple[str, ...]]:
    """List the images of a folder of class folders, and its `class_names`, which are the classes.

    Images are sorted by class, then by path; hidden files and files of other suffixes (in lower
    case) do not count.
    """
    names = class_names(folder)
    found = [
        (os.path.join(place, file), label)
        for label, name in enumerate(names)
        for place, _, files in sorted(os.walk(folder / name, followlinks=True))
        for file in sorted(files)
        if file.lower().endswith(suffixes) and file[0] != "."
    ]
    return FileRows([path for path, _ in found], [label for _, label in found]), names


def class_names(folder: Path) -> tuple[str, ...]:
    """Names of the class folders in a folder, sorted.

    Raises:
        UserError: there is none.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder: put the data set's class folders there.")
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir() and entry.name[0] != ".")
    if not names:
        raise UserError(f"{folder} holds no class folders: unpack the data set there.")
    return tuple(names)
