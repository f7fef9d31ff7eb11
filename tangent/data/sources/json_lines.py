"""Texts in a folder of this machine: a file of JSON lines per split."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tangent.data.sources.source import Absent, Sizes, SourceData
from tangent.data.sources.text_rows import Unlabelled, label
from tangent.jobs.errors import UserError, first_line
from tangent.tasks.text_task import TextTask

OPTIONS = ("root",)
KINDS = ("text",)


def locate(task: TextTask, sizes: Sizes, root: str) -> dict[str, Any]:
    """Find `{root}/{task}/{split}.jsonl`.

    Raises:
        Absent: nothing of the data set is there.
        UserError: a part of it is missing.
    """
    folder = Path(root).expanduser() / task.name
    wanted = ["train", *([] if sizes.validation is None else ["validation"]), "test"]
    places = {split: folder / f"{split}.jsonl" for split in wanted}
    missing = [str(path) for path in places.values() if not path.exists()]
    if len(missing) == len(places):
        raise Absent(f"{folder} holds no train.jsonl and test.jsonl")
    if missing:
        raise UserError(f"{folder} is not complete: {', '.join(missing)} is missing.")
    return {"places": {split: str(path) for split, path in places.items()}}


def open_copy(task: TextTask, sizes: Sizes, details: Mapping[str, Any], root: str) -> SourceData:
    """Open what `locate` found: one JSON object per line, with the columns of the task's file.

    Raises:
        UserError: a line is no JSON object or lacks a column, or the labels are no labels.
    """
    rows = label({split: _read(task, Path(path)) for split, path in details["places"].items()})
    return SourceData(rows["train"], rows.get("validation"), rows["test"], rows["train"].classes)


def _read(task: TextTask, path: Path) -> Unlabelled:
    values, labels = [], []
    for number, line in enumerate(_lines(path), start=1):
        try:
            row = json.loads(line)
            labels.append(row[task.label])
            values.append({column: row[column] for column in task.columns})
        except (ValueError, TypeError) as error:
            raise UserError(
                f"{path}, line {number} is no JSON object ({first_line(error)}): correct it."
            ) from error
        except KeyError as error:
            raise UserError(
                f"{path}, line {number} has no {error}, which tangent/tasks/{task.name}.yaml "
                f"names; it has {', '.join(row)}: correct the line or the task's file."
            ) from error
    return Unlabelled(values, labels, str(path))


def _lines(path: Path) -> Iterator[str]:
    try:
        with open(path, encoding="utf-8") as file:
            yield from file
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} cannot be read as UTF-8 text ({first_line(error)}): restore it, or delete the "
            "file of the step `data_source` that names it and run that step again."
        ) from error
