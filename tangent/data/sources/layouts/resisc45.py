"""RESISC45: one folder per class, and lists that say which images train and which test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tangent.data.sources.layouts.class_folders import class_names
from tangent.data.sources.layouts.listed import listed_rows, read_lines
from tangent.data.sources.source import SourceData


def read(places: Mapping[str, Path]) -> SourceData:
    """Read `images` (class folders) by the lists `train` and `test`, lines CLASS_NNN.jpg.

    The protocol does not use the official validation list. Rows are sorted by class and name, as
    the earlier code bases have them.
    """
    classes = class_names(places["images"])
    splits = {}
    for split in ("train", "test"):
        files = sorted((name.rpartition("_")[0], name) for name in read_lines(places[split]))
        splits[split] = listed_rows(places[split], places["images"], files, classes)
    return SourceData(splits["train"], None, splits["test"], classes)
