"""What each task asks, as data: one YAML file per task, of an image task or a text task."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import yaml

from tangent.jobs.errors import UserError
from tangent.tasks.image_task import Task
from tangent.tasks.labels import match_labels
from tangent.tasks.task_files import image_task as image
from tangent.tasks.task_files import text_task as text
from tangent.tasks.text_task import TextTask

__all__ = [
    "AnyTask",
    "Task",
    "TextTask",
    "load_task",
    "match_labels",
    "read_task",
    "task_kind",
    "task_names",
]

AnyTask = Task | TextTask

# How the file of each kind of task is read; a file without the key `kind` is of an image task.
_READERS = {Task.kind: image, TextTask.kind: text}

_FOLDER = Path(__file__).parent
_KIND = re.compile(r"^kind: *(?P<kind>\w+)", re.MULTILINE)


def task_names() -> list[str]:
    """Return the names of all tasks that have a file, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def task_kind(name: str) -> str:
    """Whether a task is about an `image` or a `text`, without reading all of its file."""
    found = _KIND.search((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return found["kind"] if found else Task.kind


def load_task(name: str) -> AnyTask:
    """Read and check the file of one task.

    Raises:
        UserError: no such task (the nearest name is suggested), a key is missing or unknown, class
            names repeat without labels that tell them apart, one label names two classes, a
            template does not hold exactly one `{}`, or a prompt names no field.
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


def read_task(path: Path) -> AnyTask:
    """Read and check a task file; raises `UserError` as `load_task` does."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read as YAML: {error}") from error
    kind = content.pop("kind", Task.kind) if isinstance(content, dict) else Task.kind
    if kind not in _READERS:
        raise UserError(f"{path}: kind is {kind!r}, but must be one of {', '.join(_READERS)}.")
    reader = _READERS[kind]
    if not isinstance(content, dict) or set(content) - set(reader.OPTIONAL) != set(reader.KEYS):
        raise UserError(
            f"{path} must have exactly the keys {', '.join(reader.KEYS)}, and may have "
            f"{', '.join(reader.OPTIONAL)}."
        )
    if content["name"] != path.stem:
        raise UserError(f"{path}: name is {content['name']!r}, but the file says {path.stem!r}.")
    return reader.read(path, content)
