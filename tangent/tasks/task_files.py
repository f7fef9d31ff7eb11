"""Task files: what an image task or a text task asks, as data, one YAML file per task."""

import difflib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import zip_longest
from pathlib import Path
from string import Formatter
from typing import Any, ClassVar, NamedTuple

from tangent.jobs.errors import UserError
from tangent.jobs.files import check_regular, read_json
from tangent.jobs.yaml_files import read_yaml

# A column, or an entry of a column that holds lists or mappings: {choices[text][0]}.
_FIELD = re.compile(r"[A-Za-z_]\w*(\[\w+\])*")


GENERAL_PROMPTS = {"image": "a photo of a {}", "text": "{text}"}
"""Prompts of a task that has no file, by its kind."""


class _Described:
    """What tasks of all kinds have: the place of their description, for messages."""

    name: str
    file: str | None

    @property
    def place(self) -> str:
        """Where the task is described: its own file, or ours."""
        return self.file or f"tangent/tasks/{self.name}.yaml"


@dataclass(frozen=True)
class Task(_Described):
    """An image classification task, as a zero-shot head needs it.

    Attributes:
        name: the file's name without `.yaml`.
        description: one line for people.
        classes: class names in the order of the labels.
        templates: prompts; each holds exactly one `{}`, which a class name fills.
        label_names: per class, other names under which data sets carry it (folders, identifiers);
            empty if the file has no `labels`.
        file: where it is described; None for ours.
    """

    name: str
    description: str
    classes: tuple[str, ...]
    templates: tuple[str, ...]
    label_names: tuple[tuple[str, ...], ...] = ()
    file: str | None = None

    kind: ClassVar[str] = "image"

    def prompts(self) -> list[list[str]]:
        """Return the filled templates, [classes][templates]."""
        return [[template.format(name) for template in self.templates] for name in self.classes]


class Piece(NamedTuple):
    """A part of a filled prompt: its text, and whether that comes from the data."""

    text: str
    is_field: bool


@dataclass(frozen=True)
class TextTask(_Described):
    """A classification task cast as text-to-text: a prompt, and one answer per class.

    Attributes:
        name, description: as of an image task.
        prompt: text with fields such as `{text}` or `{choices[text][0]}`: a column of the data, or
            an entry of it.
        classes: the answers in the order of the labels, the key `answers` of the file.
        label_names: as of an image task.
        label: the column of the labels.
        file: as of an image task.
    """

    name: str
    description: str
    prompt: str
    classes: tuple[str, ...]
    label_names: tuple[tuple[str, ...], ...] = ()
    label: str = "label"
    file: str | None = None

    kind: ClassVar[str] = "text"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the data that the prompt reads, in its order."""
        fields = [field for _, field, *_ in Formatter().parse(self.prompt) if field]
        return tuple(dict.fromkeys(_keys(field)[0] for field in fields))

    def fill(self, row: Mapping[str, Any], where: str) -> list[Piece]:
        """Fill the prompt from a row, a value for each column, which messages call `where`.

        A field that the row lacks, or that is no text, is a `UserError`.
        """
        pieces = []
        for literal, field, *_ in Formatter().parse(self.prompt):
            if literal:
                pieces.append(Piece(literal, is_field=False))
            if field:
                pieces.append(Piece(self._value(row, field, where), is_field=True))
        return pieces

    def _value(self, row: Mapping[str, Any], field: str, where: str) -> str:
        value: Any = row
        for key in _keys(field):
            try:
                value = value[int(key) if isinstance(value, list) else key]
            except (KeyError, IndexError, TypeError, ValueError) as error:
                raise UserError(
                    f"{where} has no {{{field}}}, which the prompt of the task {self.name} asks "
                    f"for: correct the prompt in {self.place}, or complete the data."
                ) from error
        if not isinstance(value, str | int | float):
            shown = repr(value)
            shown = shown if len(shown) <= 60 else shown[:57] + "..."
            raise UserError(
                f"{where}: {{{field}}} of the prompt of the task {self.name} holds no text but "
                f"{shown}: let the prompt in {self.place} name a column of text, or an entry of it "
                "as in {choices[text][0]}."
            )
        return str(value)


AnyTask = Task | TextTask

# By kind of task the keys that its file must have, and those that it may have. A file without the
# key `kind` is of an image task.
_KEYS = {
    Task.kind: (("name", "description", "classes", "templates"), ("labels",)),
    TextTask.kind: (("name", "description", "prompt", "answers"), ("labels", "label")),
}

_FOLDER = Path(__file__).parent
_KIND = re.compile(r"^kind: *(?P<kind>\w+)", re.MULTILINE)


def task_names() -> list[str]:
    """Return the names of all tasks that have a file, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def task_kind(name: str) -> str:
    """Whether a task is about an `image` or a `text`, without reading all of its file."""
    file = _FOLDER / f"{name}.yaml"
    check_regular(file)
    found = _KIND.search(file.read_text(encoding="utf-8"))
    return found["kind"] if found else Task.kind


@cache
def load_task(name: str) -> AnyTask:
    """Read and check our file of one task.

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
            f"a file tangent/tasks/{name}.yaml, or one that datasets.{name}.task names."
        )
    return read_task(_FOLDER / f"{name}.yaml")


def own_task(name: str, file: str) -> AnyTask:
    """Read the file of a task that is none of ours; raises `UserError` as `load_task` does."""
    if Path(file).stem != name:
        raise UserError(f"{file} describes the task {name}: call it {name}.yaml.")
    return replace(read_task(Path(file)), file=file)


def general_task(kind: str, name: str, classes: Sequence[str]) -> AnyTask:
    """A task without a file: a general prompt, with the names that the data give to the classes.

    Of images `_` in a name becomes a space. One class only, or names that repeat are a `UserError`.
    """
    about, file = (name, f"Data without a task file: {name}"), f"a file (datasets.{name}.task)"
    if kind == TextTask.kind:
        task: AnyTask = TextTask(*about, GENERAL_PROMPTS[kind], tuple(classes), file=file)
    else:
        shown = tuple(of_class.replace("_", " ") for of_class in classes)
        task = Task(*about, shown, (GENERAL_PROMPTS[kind],), file=file)
    _check_classes(f"the classes of {name}", task.classes, ())
    return task


def as_content(task: AnyTask) -> dict[str, Any]:
    """A task for JSON, which `described_task` makes it from again."""
    return {"kind": task.kind, **asdict(task)}


def described_task(name: str, located: Path | None) -> AnyTask:
    """A task as scripts/locate_dataset.py has described it in the file `located`; or ours.

    Raises:
        UserError: as `load_task`, or the file is damaged.
    """
    description = None if located is None else read_json(located).get("description")
    if description is None:
        return load_task(name)
    fields = {key: _tuples(value) for key, value in description.items() if key != "kind"}
    return {Task.kind: Task, TextTask.kind: TextTask}[description["kind"]](**fields)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def read_task(path: Path) -> AnyTask:
    """Read and check a task file; raises `UserError` as `load_task` does."""
    content = read_yaml(path)
    content = content if isinstance(content, dict) else {}
    kind = content.pop("kind", Task.kind)
    if kind not in _KEYS:
        raise UserError(f"{path}: kind is {kind!r}, but must be one of {', '.join(_KEYS)}.")
    needed, optional = _KEYS[kind]
    if set(content) - set(optional) != set(needed):
        raise UserError(
            f"{path} must have exactly the keys {', '.join(needed)}, and may have "
            f"{', '.join(optional)}."
        )
    if content["name"] != path.stem:
        raise UserError(f"{path}: name is {content['name']!r}, but the file says {path.stem!r}.")
    is_image = kind == Task.kind
    key = "classes" if is_image else "answers"
    classes = _strings(path, key, content[key])
    names = _label_names(path, content.get("labels"), len(classes))
    _check_classes(path, classes, names if is_image else ())
    common = {
        "name": content["name"],
        "description": str(content["description"]),
        "classes": classes,
        "label_names": names,
    }
    if is_image:
        return Task(**common, templates=_valid_templates(path, content["templates"]))
    label = content.get("label", "label")
    if not isinstance(label, str):
        raise UserError(f"{path}: label must be the name of a column, not {label!r}.")
    return TextTask(**common, prompt=_valid_prompt(path, content["prompt"]), label=label)


def literals(prompt: str) -> list[str]:
    """The text around the fields of a prompt."""
    return [literal for literal, *_ in Formatter().parse(prompt) if literal]


def comparable(name: str) -> str:
    """What counts of the name of a class: letters and digits, in any case."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def first_of(names: list[str]) -> str:
    """At most five of some names, for a message, and how many more there are."""
    rest = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + rest


def _label_names(path: Path, labels: object, count: int) -> tuple[tuple[str, ...], ...]:
    if labels is None:
        return ()
    if not isinstance(labels, list) or len(labels) != count:
        raise UserError(f"{path}: labels must be a list with one list of names for each class.")
    found = tuple(_strings(path, "each entry of labels", names) for names in labels)
    users = Counter(key for names in found for key in set(map(comparable, names)))
    shared = [name for names in found for name in names if users[comparable(name)] > 1]
    if shared:
        raise UserError(f"{path}: labels of two classes must differ: {first_of(shared)}.")
    return found


def _check_classes(
    path: Path | str, classes: tuple[str, ...], names_of: tuple[tuple[str, ...], ...]
) -> None:
    """Check that there are two classes, and that they differ or have names that do."""
    if len(classes) < 2:
        raise UserError(f"{path}: a task needs at least two classes.")
    uses = Counter(classes)
    named = zip_longest(classes, names_of)
    repeated = {name for name, names in named if uses[name] > 1 and not names}
    if repeated:
        raise UserError(
            f"{path}: classes must differ or have labels that do, but these repeat: "
            f"{', '.join(sorted(repeated))}."
        )


def _strings(path: Path, key: str, values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise UserError(f"{path}: {key} must be a list of strings (quote words like no and on).")
    return tuple(values)


def _valid_templates(path: Path, templates: object) -> tuple[str, ...]:
    texts = _strings(path, "templates", templates)
    for text in texts:
        if text.count("{}") != 1 or text.count("{") != 1 or text.count("}") != 1:
            raise UserError(f"{path}: template {text!r} must hold exactly one {{}}.")
    if not texts:
        raise UserError(f"{path}: a task needs at least one template.")
    return texts


def _valid_prompt(path: Path, prompt: object) -> str:
    if not isinstance(prompt, str):
        raise UserError(f"{path}: prompt must be text, not {prompt!r}.")
    try:
        fields = [part for part in Formatter().parse(prompt) if part[1] is not None]
    except ValueError as error:
        raise UserError(
            f"{path}: prompt {prompt!r} has a brace without its partner ({error}): write {{{{ and "
            "}}}} for braces that are no field."
        ) from error
    for _, field, spec, conversion in fields:
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


def _keys(field: str) -> list[str]:
    """The column that a field names, and the keys of the entry in there."""
    return re.findall(r"\w+", field)
