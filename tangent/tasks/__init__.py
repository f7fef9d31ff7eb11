"""Class names and prompt templates of each task, as data: one YAML file per task."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

import yaml

from tangent.errors import UserError

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
    """

    name: str
    description: str
    classes: tuple[str, ...]
    templates: tuple[str, ...]

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
            names repeat, or a template does not hold exactly one `{}`.
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
    if not isinstance(content, dict) or set(content) != set(_KEYS):
        raise UserError(f"{path} must have exactly the keys {', '.join(_KEYS)}.")
    if content["name"] != path.stem:
        raise UserError(f"{path}: name is {content['name']!r}, but the file says {path.stem!r}.")
    return Task(
        name=content["name"],
        description=str(content["description"]),
        classes=_distinct_classes(path, content["classes"]),
        templates=_valid_templates(path, content["templates"]),
    )


def _distinct_classes(path: Path, classes: object) -> tuple[str, ...]:
    names = _strings(path, "classes", classes)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise UserError(f"{path}: classes must differ, but these repeat: {', '.join(repeated)}.")
    if len(names) < 2:
        raise UserError(f"{path}: a task needs at least two classes.")
    return names


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
