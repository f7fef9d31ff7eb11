"""Data sets in a few large files: MNIST's idx files, and MATLAB's of SVHN and Stanford Cars."""

import gzip
import math
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tangent.data.sources.image_files import check_files
from tangent.data.sources.source import ArrayRows, FileRows, SourceData
from tangent.jobs.errors import UserError, first_line
from tangent.jobs.files import check_regular, read_regular


def read_mnist(places: Mapping[str, Path], classes: tuple[str, ...] | None = None) -> SourceData:
    """Read the four files `train_images`, `train_labels`, `test_images` and `test_labels`.

    They have no names of classes, also of other data sets in MNIST's form.
    """
    splits = {}
    for split in ("train", "test"):
        images = _read_idx(places[f"{split}_images"], dimensions=3)
        labels = _read_idx(places[f"{split}_labels"], dimensions=1)
        if len(images) != len(labels):
            raise UserError(
                f"{places[f'{split}_images']} holds {len(images)} images, but "
                f"{places[f'{split}_labels']} {len(labels)} labels: get both again."
            )
        splits[split] = ArrayRows(images, labels, str(places[f"{split}_images"]))
    return SourceData.of(splits, classes)


def _read_idx(file: Path, dimensions: int) -> np.ndarray:
    """An idx file of bytes: two zeros, type 8, the dimensions' number and sizes, the values."""
    try:
        content = read_regular(file)
        if file.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{file} cannot be unpacked ({error}): delete it, get it again.") from error
    start = 4 + 4 * dimensions
    shape = tuple(np.frombuffer(content[4:start], ">u4").tolist()) if len(content) >= start else ()
    if content[:4] != bytes([0, 0, 8, dimensions]) or len(content) - start != math.prod(shape):
        raise UserError(
            f"{file} is no complete idx file of {dimensions}-dimensional bytes ({len(content)} "
            "bytes): delete it and get it again."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def read_mat(file: Path, variables: tuple[str, ...], **options: Any) -> list[Any]:
    """Variables of a .mat file; it is a `UserError` if it is damaged or has others.

    `options` are scipy.io.loadmat's.
    """
    from scipy.io import loadmat

    check_regular(file)
    try:
        content = loadmat(file, **options)
    except Exception as error:  # a damaged file ends in any kind of exception
        raise UserError(
            f"{file} cannot be read as a .mat file ({error}): it is damaged or incomplete. Delete "
            "it and get it again."
        ) from error
    missing = [name for name in variables if name not in content]
    if missing:
        there = ", ".join(name for name in content if not name.startswith("__"))
        raise UserError(f"{file} has no variable {missing[0]!r}; it has {there or 'none'}.")
    return [content[name] for name in variables]


def read_cars(places: Mapping[str, Path]) -> SourceData:
    """Stanford Cars: `train` and `test` (images), their `*_annotations`, `names` (of classes)."""
    (names,) = read_mat(places["names"], ("class_names",), squeeze_me=True)
    classes = tuple(str(name) for name in np.atleast_1d(names))
    splits = {
        split: _read_annotated(places[split], places[f"{split}_annotations"], len(classes))
        for split in ("train", "test")
    }
    return SourceData.of(splits, classes)


def _read_annotated(images: Path, file: Path, classes: int) -> FileRows:
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


def read_svhn(places: Mapping[str, Path]) -> SourceData:
    """SVHN's cropped digits: in `train` and `test`, X uint8 [h, w, 3, n] and y [n, 1]; 10 is 0."""
    splits = {split: _read_digits(file) for split, file in places.items()}
    return SourceData.of(splits, tuple("0123456789"))


def _read_digits(file: Path) -> ArrayRows:
    images, labels = read_mat(file, ("X", "y"))
    labels = np.asarray(labels).reshape(-1)
    shape = images.shape
    if images.dtype != np.uint8 or len(shape) != 4 or shape[2:] != (3, len(labels)):
        raise UserError(
            f"{file}: X must be uint8 [height, width, 3, n] for the {len(labels)} labels in y, not "
            f"{images.dtype} {list(shape)}. Take the cropped digits, such as train_32x32.mat."
        )
    if labels.dtype.kind not in "iuf" or not set(np.unique(labels)) <= set(range(1, 11)):
        raise UserError(f"{file}: labels must be 1 to 10; get this file again.")
    return ArrayRows(images.transpose(3, 0, 1, 2), labels % 10, str(file))
