"""Class names of a data set against those of a task."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from tangent.jobs.errors import UserError
from tangent.tasks.task_files import AnyTask, comparable, first_of


def match_labels(task: AnyTask, source_classes: Sequence[str]) -> np.ndarray:
    """Return the class of each label of a data set, found by the name that the data set gives it.

    Only letters and digits count, in any case. A name is looked up in the task's `label_names`
    first, then in its `classes`.

    Returns:
        int64 [number of source classes], a permutation: the class index of each source label.

    Raises:
        UserError: a name fits no class or several, two names fit one class, or a class has none.
    """
    index_of: dict[str, int | None] = {}  # None: several classes have the name
    for index, name in enumerate(task.classes):
        key = comparable(name)
        index_of[key] = None if key in index_of else index
    for index, names in enumerate(task.label_names):
        index_of |= {comparable(name): index for name in names}

    matched = [index_of.get(comparable(name)) for name in source_classes]
    names_of: dict[int | None, list[str]] = defaultdict(list)
    for index, name in zip(matched, source_classes, strict=True):
        names_of[index].append(repr(name))
    faults = {
        "names that fit no single class": names_of.pop(None, []),
        "several names of one class": [
            " and ".join(names) for _, names in sorted(names_of.items()) if len(names) > 1
        ],
        "classes without a name": [
            repr(name) for index, name in enumerate(task.classes) if index not in names_of
        ],
    }
    if any(faults.values()):
        said = "; ".join(f"{what}: {first_of(names)}" for what, names in faults.items() if names)
        raise UserError(
            f"task {task.name}: the data set's class names do not match the task's ({said}). If "
            f"it is the right data set, add its names under `labels` in {task.place}."
        )
    return np.array(matched, np.int64)
