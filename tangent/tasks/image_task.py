"""Image tasks: class names and the templates of a zero-shot head's prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from tangent.jobs.errors import UserError
from tangent.tasks.labels import check_classes, label_names, strings

KEYS = ("name", "description", "classes", "templates")
OPTIONAL = ("labels",)


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

    kind: ClassVar[str] = "image"

    def prompts(self) -> list[list[str]]:
        """Return the filled templates, [classes][templates]."""
        return [[template.format(name) for template in self.templates] for name in self.classes]


def read(path: Path, content: Mapping[str, Any]) -> Task:
    """An image task from a file's content, which has the right keys."""
    classes = strings(path, "classes", content["classes"])
    labels = content.get("labels")
    names = () if labels is None else label_names(path, labels, len(classes))
    check_classes(path, classes, names)
    return Task(
        name=content["name"],
        description=str(content["description"]),
        classes=classes,
        templates=_valid_templates(path, content["templates"]),
        label_names=names,
    )


def _valid_templates(path: Path, templates: object) -> tuple[str, ...]:
    texts = strings(path, "templates", templates)
    for text in texts:
        if text.count("{}") != 1 or text.count("{") != 1 or text.count("}") != 1:
            raise UserError(f"{path}: template {text!r} must hold exactly one {{}}.")
    if not texts:
        raise UserError(f"{path}: a task needs at least one template.")
    return texts
