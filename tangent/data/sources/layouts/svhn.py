"""SVHN's cropped digits: one .mat file per split."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tangent.data.sources.layouts.mat_file import read_mat
from tangent.data.sources.rows import ArrayRows
from tangent.data.sources.source import SourceData
from tangent.jobs.errors import UserError


def read(places: Mapping[str, Path]) -> SourceData:
    """Read the files `train` and `test`: X uint8 [h, w, 3, n] and y [n, 1], where 10 is digit 0."""
    train, test = _read(places["train"]), _read(places["test"])
    return SourceData(train, None, test, tuple("0123456789"))


def _read(file: Path) -> ArrayRows:
    images, labels = read_mat(file, ("X", "y"))
    labels = np.asarray(labels).reshape(-1)
    shape = images.shape
    if images.dtype != np.uint8 or len(shape) != 4 or shape[2:] != (3, len(labels)):
        raise UserError(
            f"{file}: X must be uint8 [height, width, 3, n] for the {len(labels)} labels in y, not "
            f"{images.dtype} {list(shape)}. Take the cropped digits, such as train_32x32.mat."
        )
    if not set(np.unique(labels)) <= set(range(1, 11)):
        raise UserError(f"{file}: labels must be 1 to 10; get this file again.")
    return ArrayRows(images.transpose(3, 0, 1, 2), labels % 10, str(file))
