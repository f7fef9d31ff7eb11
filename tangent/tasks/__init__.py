"""Class names and prompt templates of each task, as data: one YAML file per task."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tangent.errors import UserError

if TYPE_CHECKING:
    import numpy as np

_FOLDER = Path(__file__).parent
_KEYS = ("name", "description", "classes", "templates")


@dataclass(frozen=True)
class Task:
    """An image classification task, as a zero-shot head needs it.

    Attributes:
        name: the file's name without `.yaml`.
        description: one line for people.
        classes: class names in the order of the labels.
        templates: prompts; each holds exactly one `{}`, which a class name fills.
        label_names: per class, other names under which data sets carry it (folders, identifiers);
            empty if the file has no `labels`.
    """

    name: str
    description: str
    classes: tuple[str, ...]
    templates: tuple[str, ...]
    label_names: tuple[tuple[str, ...], ...] = ()

    def prompts(self) -> list[list[str]]:
        """Return the filled templates, [classes][templates]."""
        return [[template.format(name) for template in self.templates] for name in self.classes]


def task_names() -> list[str]:
    """Return the names of all tasks that have a file, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def load_task(name: str) -> Task:
    """Read and check the file of one task.

    Raises:
        UserError: no such task (the nearest name is suggested), a key is missing or unknown, class
            names repeat without labels that tell them apart, one label names two classes, or a
            template does not hold exactly one `{}`.
    """
    known = task_names()
    if name not in known:
        nearest = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        raise UserError(
            f"unknown task {name!r}: {hint}Known tasks: {', '.join(known)}. A new task needs "
            f"a file tangent/tasks/{name}.yaml."
        )
    return read_task(_FOLDER / f"{name}.yaml")


def read_task(path: Path) -> Task:
    """Read and check a task file; raises `UserError` as `load_task` does."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read as YAML: {error}") from error
    if not isinstance(content, dict) or set(content) - {"labels"} != set(_KEYS):
        raise UserError(
            f"{path} must have exactly the keys {', '.join(_KEYS)}, and may have labels."
        )
    if content["name"] != path.stem:
        raise UserError(f"{path}: name is {content['name']!r}, but the file says {path.stem!r}.")
    classes = _strings(path, "classes", content["classes"])
    labels = content.get("labels")
    label_names = () if labels is None else _label_names(path, labels, len(classes))
    _check_classes(path, classes, label_names)
    return Task(
        name=content["name"],
        description=str(content["description"]),
        classes=classes,
        templates=_valid_templates(path, content["templates"]),
        label_names=label_names,
    )


def match_labels(task: Task, source_classes: Sequence[str]) -> np.ndarray:
    """Return the class of each label of a data set, found by the name that the data set gives it.

    Only letters and digits count, in any case. A name is looked up in the task's `label_names`
    first, then in its `classes`.

    Args:
        task: the task whose images the data set holds.
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
        said = "; ".join(f"{what}: {_first_of(names)}" for what, names in faults.items() if names)
        raise UserError(
            f"task {task.name}: the data set's class names do not match the task's ({said}). If "
            "it is the right data set, add its names under `labels` in "
            f"tangent/tasks/{task.name}.yaml."
        )
    return np.array([index_of[_comparable(name)] for name in source_classes], dtype=np.int64)


def _comparable(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _first_of(names: list[str]) -> str:
    rest = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + rest


def _label_names(path: Path, labels: object, count: int) -> tuple[tuple[str, ...], ...]:
    if not isinstance(labels, list) or len(labels) != count:
        raise UserError(f"{path}: labels must be a list with one list of names for each class.")
    label_names = tuple(_strings(path, "each entry of labels", names) for names in labels)
    users = Counter(key for names in label_names for key in {_comparable(name) for name in names})
    shared = [name for names in label_names for name in names if users[_comparable(name)] > 1]
    if shared:
        raise UserError(f"{path}: labels of two classes must differ: {_first_of(shared)}.")
    return label_names


def _check_classes(
    path: Path, classes: tuple[str, ...], label_names: tuple[tuple[str, ...], ...]
) -> None:
    if len(classes) < 2:
        raise UserError(f"{path}: a task needs at least two classes.")
    uses = Counter(classes)
    repeated = {
        name for name, names in zip_longest(classes, label_names) if uses[name] > 1 and not names
    }
    if repeated:
        raise UserError(
            f"{path}: classes must differ or have labels that do, but these repeat: "
            f"{', '.join(sorted(repeated))}."
        )


def _valid_templates(path: Path, templates: object) -> tuple[str, ...]:
    texts = _strings(path, "templates", templates)
    for text in texts:
        if text.count("{}") != 1 or text.count("{") != 1 or text.count("}") != 1:
            raise UserError(f"{path}: template {text!r} must hold exactly one {{}}.")
    if not texts:
        raise UserError(f"{path}: a task needs at least one template.")
    return texts


def _strings(path: Path, key: str, values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise UserError(f"{path}: {key} must be a list of strings (quote words like no and on).")
    return tuple(values)
