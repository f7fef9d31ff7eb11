"""Classes and the names that data sets give them: in the files of image and of text tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from tangent.jobs.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from tangent.tasks.task_files import AnyTask


def match_labels(task: AnyTask, source_classes: Sequence[str]) -> np.ndarray:
    """Return the class of each label of a data set, found by the name that the data set gives it.

    Only letters and digits count, in any case. A name is looked up in the task's `label_names`
    first, then in its `classes`.

    Args:
        task: the task whose data the data set holds.
        source_classes: the data set's own class names in the order of its labels.

    Returns:
        int64 [number of source classes], a permutation: the class index of each source label.

    Raises:
        UserError: a name fits no class or several, two names fit one class, or a class has none.
    """
    import numpy as np

    index_of: dict[str, int | None] = {}  # None: several classes have the name
    for index, name in enumerate(task.classes):
        key = _comparable(name)
        index_of[key] = None if key in index_of else index
    for index, names in enumerate(task.label_names):
        index_of |= {_comparable(name): index for name in names}

    misfits: list[str] = []
    found: list[list[str]] = [[] for _ in task.classes]
    for name in source_classes:
        index = index_of.get(_comparable(name))
        (misfits if index is None else found[index]).append(repr(name))
    faults = {
        "names that fit no single class": misfits,
        "several names of one class": [" and ".join(names) for names in found if len(names) > 1],
        "classes without a name": [
            repr(name) for name, names in zip(task.classes, found, strict=True) if not names
        ],
    }
    if any(faults.values()):
        said = "; ".join(f"{what}: {first_of(names)}" for what, names in faults.items() if names)
        raise UserError(
            f"task {task.name}: the data set's class names do not match the task's ({said}). If "
            "it is the right data set, add its names under `labels` in "
            f"tangent/tasks/{task.name}.yaml."
        )
    return np.array([index_of[_comparable(name)] for name in source_classes], dtype=np.int64)


def _comparable(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def first_of(names: list[str]) -> str:
    """At most five of some names, for a message, and how many more there are."""
    rest = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + rest


def label_names(path: Path, labels: object, count: int) -> tuple[tuple[str, ...], ...]:
    """Check the key `labels` of a task file: a list of names for each class."""
    if not isinstance(labels, list) or len(labels) != count:
        raise UserError(f"{path}: labels must be a list with one list of names for each class.")
    found = tuple(strings(path, "each entry of labels", names) for names in labels)
    users = Counter(key for names in found for key in {_comparable(name) for name in names})
    shared = [name for names in found for name in names if users[_comparable(name)] > 1]
    if shared:
        raise UserError(f"{path}: labels of two classes must differ: {first_of(shared)}.")
    return found


def check_classes(
    path: Path, classes: tuple[str, ...], names_of: tuple[tuple[str, ...], ...]
) -> None:
    """Check that there are two classes, and that they differ or have names that do."""
    if len(classes) < 2:
        raise UserError(f"{path}: a task needs at least two classes.")
    uses = Counter(classes)
    repeated = {
        name for name, names in zip_longest(classes, names_of) if uses[name] > 1 and not names
    }
    if repeated:
        raise UserError(
            f"{path}: classes must differ or have labels that do, but these repeat: "
            f"{', '.join(sorted(repeated))}."
        )


def strings(path: Path, key: str, values: object) -> tuple[str, ...]:
    """Check a key of a task file that must hold a list of strings."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise UserError(f"{path}: {key} must be a list of strings (quote words like no and on).")
    return tuple(values)
