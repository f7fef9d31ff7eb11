"""Text tasks: a prompt with fields that the columns of the data fill, and an answer per class."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any, ClassVar

from tangent.jobs.errors import UserError
from tangent.tasks.labels import check_classes, label_names, strings

KEYS = ("name", "description", "prompt", "answers")
OPTIONAL = ("labels", "label")
# A column, or an entry of a column that holds lists or mappings: {choices[text][0]}.
_FIELD = re.compile(r"(?P<column>[A-Za-z_]\w*)(?P<entries>(\[\w+\])*)")


@dataclass(frozen=True)
class Piece:
    """A part of a filled prompt.

    Attributes:
        text: what it says.
        is_field: it comes from the data, and not from the prompt.
    """

    text: str
    is_field: bool


@dataclass(frozen=True)
class TextTask:
    """A classification task cast as text-to-text: a prompt, and one answer per class.

    Attributes:
        name: the file's name without `.yaml`.
        description: one line for people.
        prompt: text with fields such as `{text}` or `{choices[text][0]}`: a column of the data, or
            an entry of it.
        classes: the answers in the order of the labels, the key `answers` of the file.
        label_names: per class, other names under which data sets carry it; empty if the file has no
            `labels`.
        label: the column of the labels.
    """

    name: str
    description: str
    prompt: str
    classes: tuple[str, ...]
    label_names: tuple[tuple[str, ...], ...] = ()
    label: str = "label"

    kind: ClassVar[str] = "text"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the data that the prompt reads, in its order."""
        return tuple(dict.fromkeys(_column(field) for _, field in _parts(self.prompt) if field))

    def fill(self, row: Mapping[str, Any], where: str) -> list[Piece]:
        """Fill the prompt.

        Args:
            row: value of each column.
            where: what a message calls the row.

        Raises:
            UserError: the row lacks a field, or has no text there.
        """
        pieces = []
        for literal, field in _parts(self.prompt):
            if literal:
                pieces.append(Piece(literal, is_field=False))
            if field:
                pieces.append(Piece(self._value(row, field, where), is_field=True))
        return pieces

    def _value(self, row: Mapping[str, Any], field: str, where: str) -> str:
        value: Any = row
        for key in (_column(field), *re.findall(r"\[(\w+)\]", field)):
            try:
                value = value[int(key) if isinstance(value, list) else key]
            except (KeyError, IndexError, TypeError, ValueError) as error:
                raise UserError(
                    f"{where} has no {{{field}}}, which the prompt of the task {self.name} asks "
                    f"for: correct the prompt in tangent/tasks/{self.name}.yaml, or complete the "
                    "data."
                ) from error
        if not isinstance(value, str | int | float):
            raise UserError(
                f"{where}: {{{field}}} of the prompt of the task {self.name} holds no text but "
                f"{_shown(value)}: let the prompt in tangent/tasks/{self.name}.yaml name a column "
                "of text, or an entry of it as in {choices[text][0]}."
            )
        return str(value)


def literals(prompt: str) -> list[str]:
    """The text around the fields of a prompt."""
    return [literal for literal, _ in _parts(prompt) if literal]


def read(path: Path, content: Mapping[str, Any]) -> TextTask:
    """A text task from a file's content, which has the right keys."""
    answers = strings(path, "answers", content["answers"])
    labels = content.get("labels")
    names = () if labels is None else label_names(path, labels, len(answers))
    check_classes(path, answers, ())
    label = content.get("label", "label")
    if not isinstance(label, str):
        raise UserError(f"{path}: label must be the name of a column, not {label!r}.")
    return TextTask(
        name=content["name"],
        description=str(content["description"]),
        prompt=_valid_prompt(path, content["prompt"]),
        classes=answers,
        label_names=names,
        label=label,
    )


def _valid_prompt(path: Path, prompt: object) -> str:
    if not isinstance(prompt, str):
        raise UserError(f"{path}: prompt must be text, not {prompt!r}.")
    try:
        parsed = list(Formatter().parse(prompt))
    except ValueError as error:
        raise UserError(
            f"{path}: prompt {prompt!r} has a brace without its partner ({error}): write {{{{ and "
            "}}}} for braces that are no field."
        ) from error
    fields = [
        (field, spec, conversion) for _, field, spec, conversion in parsed if field is not None
    ]
    for field, spec, conversion in fields:
        if spec or conversion or not _FIELD.fullmatch(field):
            raise UserError(
                f"{path}: prompt {prompt!r} has the field {{{field}}}, which is not the name of a "
                "column, such as {text}, or an entry of one, such as {choices[text][0]}."
            )
    if not fields:
        raise UserError(
            f"{path}: prompt {prompt!r} has no field: name a column of the data in it, such as "
            "{text}."
        )
    return prompt


def _parts(prompt: str) -> list[tuple[str, str | None]]:
    return [(literal, field) for literal, field, _, _ in Formatter().parse(prompt)]


def _column(field: str) -> str:
    return _FIELD.fullmatch(field)["column"]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
