"""Stanford Cars: images, and annotations in .mat files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tangent.data.sources.layouts.listed import check_files
from tangent.data.sources.layouts.mat_file import read_mat
from tangent.data.sources.rows import FileRows
from tangent.data.sources.source import SourceData
from tangent.jobs.errors import UserError, first_line


def read(places: Mapping[str, Path]) -> SourceData:
    """Read `train` and `test` (images), their `*_annotations`, and `names` (class names)."""
    (names,) = read_mat(places["names"], ("class_names",), squeeze_me=True)
    classes = tuple(str(name) for name in np.atleast_1d(names))
    splits = {
        split: _read_split(places[split], places[f"{split}_annotations"], len(classes))
        for split in ("train", "test")
    }
    return SourceData(splits["train"], None, splits["test"], classes)


def _read_split(images: Path, file: Path, classes: int) -> FileRows:
    (annotations,) = read_mat(file, ("annotations",), squeeze_me=True)
    annotations = np.atleast_1d(annotations)
    fields = annotations.dtype.names or ()
    if not {"fname", "class"} <= set(fields):
        raise UserError(
            f"{file}: annotations must have the fields fname and class; they have "
            f"{', '.join(fields) or 'none'}. cars_test_annos_withlabels.mat has the test classes."
        )
    names = [str(name) for name in annotations["fname"]]
    try:
        labels = annotations["class"].astype(np.int64) - 1  # the file counts from 1
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{file}: not every class is a number ({first_line(error)}). Delete it and get it "
            "again."
        ) from error
    if len(labels) and (labels.min() < 0 or labels.max() >= classes):
        raise UserError(
            f"{file}: classes go from {labels.min() + 1} to {labels.max() + 1}, not from 1 to "
            f"{classes} as in cars_meta.mat. The two files do not belong together."
        )
    check_files(file, images, names)
    return FileRows([os.path.join(images, name) for name in names], labels)
