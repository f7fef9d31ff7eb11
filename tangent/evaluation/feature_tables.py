"""Tables of features and products by data set and split, read from disk when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from tangent.data.split import split_path
from tangent.jobs.errors import UserError
from tangent.jobs.files import open_safetensors


class FeatureTable(Protocol):
    """Features of every image of a split, in the split's order."""

    def table(self, dataset: str, split: str) -> np.ndarray:
        """Features [images, features] of `dataset`'s `split`; UserError if they are not there."""
        ...


class ProductTable(Protocol):
    """Products J(x)τ of every image of a split with several task vectors."""

    def product(self, vector: str, dataset: str, split: str) -> np.ndarray:
        """J(x)τ [images, features] on `dataset`'s `split`; UserError if it is not there."""
        ...


class TableOfArrays:
    """Features held in memory: `{(dataset, split): array [images, features]}`."""

    def __init__(self, arrays: Mapping[tuple[str, str], np.ndarray]) -> None:
        self._arrays = dict(arrays)

    def table(self, dataset: str, split: str) -> np.ndarray:
        """See `FeatureTable.table`."""
        try:
            return self._arrays[dataset, split]
        except KeyError:
            raise UserError(f"there are no features of {dataset}, split {split}.") from None


class StoredFeatures:
    """Features in `{folder}/{split}.safetensors` of each data set, as the tensor `features`.

    Args:
        folders: folder of each data set, by its name.
    """

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._files = _Folders(
            folders, "features", "--initial-features DATASET=DIR, made by scripts.initial_features"
        )

    def table(self, dataset: str, split: str) -> np.ndarray:
        """See `FeatureTable.table`.

        Raises:
            UserError: the data set has no folder, or its file is missing, truncated or something
                else.
        """
        return self._files.tensor(dataset, split, "features")


class ProductsOfArrays:
    """Products held in memory: `{vector: {(dataset, split): array [images, features]}}`."""

    def __init__(self, arrays: Mapping[str, Mapping[tuple[str, str], np.ndarray]]) -> None:
        self._tables = {vector: TableOfArrays(tables) for vector, tables in arrays.items()}

    def product(self, vector: str, dataset: str, split: str) -> np.ndarray:
        """See `ProductTable.product`."""
        if vector not in self._tables:
            raise UserError(
                f"there are no products of task vector {vector!r}, only of "
                f"{', '.join(self._tables)}."
            )
        return self._tables[vector].table(dataset, split)


class StoredProducts:
    """Products in `{folder}/{split}.safetensors` of each data set, one tensor per task vector.

    Args:
        folders: folder of each data set, by its name.
    """

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._files = _Folders(
            folders, "products", "--products DATASET=DIR, made by scripts.jacobian_products"
        )

    def product(self, vector: str, dataset: str, split: str) -> np.ndarray:
        """See `ProductTable.product`.

        Raises:
            UserError: the data set has no folder, or its file is missing or truncated, or holds
                nothing for `vector`.
        """
        return self._files.tensor(dataset, split, vector)


class _Folders:
    """Tensors in `{folder}/{split}.safetensors` of each data set, each read once.

    A step that never asks for a split never opens that split's file.
    """

    def __init__(self, folders: Mapping[str, Path], what: str, made_by: str) -> None:
        self._folders, self._what, self._made_by = folders, what, made_by
        self._read: dict[tuple[str, str, str], np.ndarray] = {}

    def tensor(self, dataset: str, split: str, name: str) -> np.ndarray:
        key = (dataset, split, name)
        if key not in self._read:
            if dataset not in self._folders:
                raise UserError(
                    f"no {self._what} on data set {dataset!r}, only on {', '.join(self._folders)}: "
                    f"give its folder too ({self._made_by})."
                )
            self._read[key], _ = read_entry(split_path(self._folders[dataset], split), name)
        return self._read[key]


def read_entry(path: Path, name: str) -> tuple[np.ndarray, dict[str, str]]:
    """One tensor of a safetensors file, and the file's metadata; the other tensors are not read.

    Raises:
        UserError: the file is missing or truncated, or holds no tensor `name`.
    """
    with open_safetensors(path, "np") as file:
        stored = list(file.keys())
        if name in stored:
            return file.get_tensor(name), file.metadata() or {}
    raise UserError(
        f"{path} holds nothing for {name!r}, only {', '.join(sorted(stored))}: run the step that "
        "makes the file again, with that name among those it is given."
    )
