"""Texts on this machine: a file of JSON lines per split."""

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from tangent.data.sources.own_files import OwnFiles
from tangent.data.sources.source import Absent, Contents, Sizes, SourceData, labelled_texts
from tangent.jobs.errors import UserError, first_line
from tangent.jobs.files import read_regular
from tangent.jobs.keys import Folder
from tangent.tasks.task_files import GENERAL_PROMPTS, AnyTask, TextTask


class JsonLines(OwnFiles):
    """Texts on this machine, a JSON object per line, at places of their own or by `root`."""

    gives: ClassVar[tuple[str, ...]] = ("text",)

    source: Literal["json_lines"]
    """`json_lines`: a file of JSON lines per split."""
    root: Folder | None = None
    """Folder with `TASK/train.jsonl`, `TASK/test.jsonl` and, if it is there,
    `TASK/validation.jsonl`: the splits of all tasks."""
    train: Folder | None = None
    """File of the training split, in place of `root`."""
    test: Folder | None = None
    """File of the test split."""

    def places(self, name: str) -> dict[str, Path]:
        if self.root is None:
            if self.train is None or self.test is None:
                raise UserError("json_lines needs the keys train and test, or root.")
            return super().places(name)
        folder = Path(self.root).expanduser() / name
        places = {split: folder / f"{split}.jsonl" for split in ("train", "validation", "test")}
        places = {s: path for s, path in places.items() if s != "validation" or path.exists()}
        missing = [str(path) for path in places.values() if not path.exists()]
        if len(missing) == len(places):
            raise Absent(f"{folder} holds no train.jsonl and test.jsonl")
        if missing:
            raise UserError(f"{folder} is not complete: {', '.join(missing)} is missing.")
        return places

    def contents(self, name: str) -> Contents:
        texts = {split: _text(path) for split, path in self.places(name).items()}
        counts = {split: len(_lines(text)) for split, text in texts.items()}
        if 0 in counts.values():
            raise UserError(f"of the texts of {name}, a split is empty: {counts}.")
        listing = hashlib.sha256(json.dumps(texts).encode()).hexdigest()
        return Contents(Sizes(**{"validation": None, **counts}), listing)

    def class_names(self, name: str) -> tuple[str, ...]:
        task = TextTask(
            name, "", GENERAL_PROMPTS[TextTask.kind], (), file="the prompt of tasks without a file"
        )
        classes = self.read(task, self.places(name)).classes
        if classes is None:
            raise UserError("the labels are numbers: name what they mean in a file of the task.")
        return classes

    def read(self, task: AnyTask, places: Mapping[str, Path]) -> SourceData:
        """Open JSON objects with the columns that the task's file names."""
        rows = labelled_texts({split: _read(task, path) for split, path in places.items()})
        return SourceData.of(rows, rows["train"].classes)


def _text(path: Path) -> str:
    try:
        return read_regular(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} cannot be read as UTF-8 text ({first_line(error)}): restore it, or delete the "
            "file of the step `data_source` that names it and run that step again."
        ) from error


def _lines(text: str) -> list[str]:
    return list(io.StringIO(text, newline=None))


def _read(task: TextTask, path: Path) -> tuple[list, list, str, None]:
    values, labels = [], []
    for number, line in enumerate(_lines(_text(path)), start=1):
        try:
            row = json.loads(line, parse_constant=_no_number)
            json.dumps(row, ensure_ascii=False).encode()  # escapes may stand for no character
            labels.append(row[task.label])
            values.append({column: row[column] for column in task.columns})
        except (ValueError, TypeError, RecursionError) as error:
            raise UserError(
                f"{path}, line {number} is no JSON object ({first_line(error)}): correct it."
            ) from error
        except KeyError as error:
            raise UserError(
                f"{path}, line {number} has no {error}, which {task.place} names; "
                f"it has {', '.join(row)}: correct the line or the task's file."
            ) from error
    return values, labels, str(path), None


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
