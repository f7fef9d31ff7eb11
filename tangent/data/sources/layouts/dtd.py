"""DTD: training and validation images of its partition 1 together train, its test images test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tangent.data.sources.layouts import class_folders
from tangent.data.sources.layouts.listed import listed_rows, read_lines
from tangent.data.sources.rows import FileRows
from tangent.data.sources.source import SourceData


def read(places: Mapping[str, Path]) -> SourceData:
    """Class folders: `train` and `test`, or the archive's three parts with `official_test` too.

    The earlier code bases put both training parts into `train` and the test images into `val`.
    Where there is a third folder, `val` is the official validation part and belongs to training.
    """
    if "official_test" not in places:
        return class_folders.read(places)
    folders = {
        "train": places["train"],
        "validation": places["test"],
        "test": places["official_test"],
    }
    data = class_folders.read(folders)
    return SourceData(_together(data.train, data.validation), None, data.test, data.classes)


def read_partition(places: Mapping[str, Path]) -> SourceData:
    """torchvision's layout: `images` (class folders) and `labels` (lists of each partition)."""
    classes = class_folders.class_names(places["images"])
    parts = {}
    for part in ("train", "val", "test"):
        file = places["labels"] / f"{part}1.txt"
        files = [line.partition("/")[::2] for line in read_lines(file)]
        parts[part] = listed_rows(file, places["images"], files, classes)
    return SourceData(_together(parts["train"], parts["val"]), None, parts["test"], classes)


def _together(first: FileRows, second: FileRows) -> FileRows:
    return FileRows([*first.paths, *second.paths], np.concatenate([first.labels, second.labels]))
