"""MNIST and Fashion-MNIST: idx files, packed by gzip or not."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from tangent.data.sources.rows import ArrayRows
from tangent.data.sources.source import SourceData
from tangent.jobs.errors import UserError


def read(places: Mapping[str, Path]) -> SourceData:
    """Read the four files `train_images`, `train_labels`, `test_images` and `test_labels`."""
    return replace(read_unnamed(places), classes=tuple("0123456789"))


def read_unnamed(places: Mapping[str, Path]) -> SourceData:
    """The same of another data set in MNIST's form; the files have no names of classes."""
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
    return SourceData.of(splits, None)


def _read_idx(file: Path, dimensions: int) -> np.ndarray:
    """An idx file of bytes: two zeros, type 8, the dimensions' number and sizes, the values."""
    try:
        content = file.read_bytes()
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
