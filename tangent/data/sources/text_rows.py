"""Texts of one split in memory: what text sources give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tangent.data.sources.rows import no_names
from tangent.jobs.errors import UserError


class TextRows:
    """Texts in memory.

    Args:
        values: of each row, the values of the columns that the task's prompt reads, by name.
        labels: whole numbers [n].
        where: where they are from, for messages.
        classes: the source's class names in the order of its labels; None if it has numbers only.
    """

    def __init__(
        self,
        values: Sequence[Mapping[str, Any]],
        labels: np.ndarray | Sequence[int],
        where: str,
        classes: tuple[str, ...] | None = None,
    ) -> None:
        self.values, self.where, self.classes = values, where, classes
        self.labels = np.asarray(labels, np.int64)

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, row: int) -> str:
        return f"{self.where}, row {row}"

    def key(self, row: int) -> str:
        raise no_names(self.where)

    def __getitem__(self, row: int) -> Mapping[str, Any]:
        return self.values[row]


@dataclass(frozen=True)
class Unlabelled:
    """Texts whose labels are as the files have them.

    Attributes:
        values: of each row, the values of the columns that the task's prompt reads, by name.
        labels: of each row, a whole number or a name.
        where: where they are from, for messages.
        classes: class names that the files themselves give for whole numbers.
    """

    values: Sequence[Mapping[str, Any]]
    labels: Sequence[Any]
    where: str
    classes: tuple[str, ...] | None = None


def label(parts: Mapping[str, Unlabelled]) -> dict[str, TextRows]:
    """Number the labels of all splits alike: names in the order of the alphabet.

    Raises:
        UserError: a row has no label, labels are of several types or neither numbers nor names, or
            the splits name different classes.
    """
    found = {type(label) for part in parts.values() for label in part.labels}
    for part in parts.values():
        if None in part.labels:
            count = sum(label is None for label in part.labels)
            raise UserError(f"{part.where}: {count} rows have no label.")
    where = " and ".join(part.where for part in parts.values())
    if found == {str}:
        names = sorted({name for part in parts.values() for name in part.labels})
        number = {name: index for index, name in enumerate(names)}
        return {
            split: TextRows(
                part.values, [number[name] for name in part.labels], part.where, tuple(names)
            )
            for split, part in parts.items()
        }
    if found not in ({int}, {bool}):
        kinds = ", ".join(sorted(kind.__name__ for kind in found))
        raise UserError(
            f"{where}: labels must all be whole numbers, or all be names, but they are {kinds}: "
            "correct the key `label` of the task's file."
        )
    return {
        split: TextRows(part.values, list(map(int, part.labels)), part.where, part.classes)
        for split, part in parts.items()
    }
