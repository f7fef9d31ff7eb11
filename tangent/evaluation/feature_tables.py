"""Tables of features and products by data set and split, read from disk when asked for."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tangent.data.split import split_path
from tangent.jobs.errors import UserError
from tangent.jobs.files import open_safetensors

Table = Mapping[tuple[str, str], np.ndarray]
"""Features or products [images, features] of every image, in order, by (data set, split)."""


def features_in(table: Table, dataset: str, split: str) -> np.ndarray:
    """The features or products [images, features] of a split; UserError if they are not there."""
    try:
        return table[dataset, split]
    except KeyError:
        raise UserError(f"there are no features of {dataset}, split {split}.") from None


class StoredTable(dict[tuple[str, str], np.ndarray]):
    """Tensors `name` in `{folder}/{split}.safetensors` of each data set, each read once.

    A step that never asks for a split never opens that split's file. To ask is a UserError if the
    data set has no folder, or its file is missing, truncated or something else.

    Args:
        folders: folder of each data set, by its name.
        name: of the tensor.
        what: it is, for messages.
        made_by: how the folders are given, for messages.
    """

    def __init__(self, folders: Mapping[str, Path], name: str, what: str, made_by: str) -> None:
        super().__init__()
        self._folders, self._name, self._what, self._made_by = folders, name, what, made_by

    def __missing__(self, place: tuple[str, str]) -> np.ndarray:
        dataset, split = place
        if dataset not in self._folders:
            raise UserError(
                f"no {self._what} on data set {dataset!r}, only on {', '.join(self._folders)}: "
                f"give its folder too ({self._made_by})."
            )
        self[place], _ = read_entry(split_path(self._folders[dataset], split), self._name)
        return self[place]


def stored_features(folders: Mapping[str, Path]) -> StoredTable:
    """Features f(x; θ0), the tensor `features` in each data set's folder."""
    made_by = "--initial-features DATASET=DIR, made by scripts.initial_features"
    return StoredTable(folders, "features", "features", made_by)


class StoredProducts(dict[str, StoredTable]):
    """Products J(x)τ by task vector, one tensor for each in each data set's folder.

    Args:
        folders: folder of each data set, by its name.
    """

    def __init__(self, folders: Mapping[str, Path]) -> None:
        super().__init__()
        self._folders = folders

    def __missing__(self, vector: str) -> StoredTable:
        made_by = "--products DATASET=DIR, made by scripts.jacobian_products"
        self[vector] = StoredTable(self._folders, vector, "products", made_by)
        return self[vector]


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
