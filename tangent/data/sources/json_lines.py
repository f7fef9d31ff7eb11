"""Texts in a folder of this machine: a file of JSON lines per split."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from tangent.data.sources.source import Absent, Sizes, Source, SourceData, labelled_texts
from tangent.jobs.errors import UserError, first_line
from tangent.jobs.files import read_regular
from tangent.jobs.keys import Folder
from tangent.tasks.task_files import AnyTask, TextTask


class JsonLines(Source):
    """Texts on this machine: `ROOT/TASK/train.jsonl` and so on, a JSON object per line."""

    gives: ClassVar[tuple[str, ...]] = ("text",)

    source: Literal["json_lines"]
    """`json_lines`: a folder of this machine."""
    root: Folder
    """Folder that holds the data sets' own folders."""

    def locate(self, task: AnyTask, sizes: Sizes) -> dict[str, Any]:
        """Find `{root}/{task}/{split}.jsonl` of every split."""
        folder = Path(self.root).expanduser() / task.name
        wanted = ["train", *([] if sizes.validation is None else ["validation"]), "test"]
        places = {split: folder / f"{split}.jsonl" for split in wanted}
        missing = [str(path) for path in places.values() if not path.exists()]
        if len(missing) == len(places):
            raise Absent(f"{folder} holds no train.jsonl and test.jsonl")
        if missing:
            raise UserError(f"{folder} is not complete: {', '.join(missing)} is missing.")
        return {"places": {split: str(path) for split, path in places.items()}}

    def open_copy(self, task: AnyTask, sizes: Sizes, details: Mapping[str, Any]) -> SourceData:
        """Open what `locate` found: JSON objects with the columns that the task's file names."""
        parts = {split: _read(task, Path(path)) for split, path in details["places"].items()}
        rows = labelled_texts(parts)
        return SourceData.of(rows, rows["train"].classes)


def _read(task: TextTask, path: Path) -> tuple[list, list, str, None]:
    try:
        text = read_regular(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} cannot be read as UTF-8 text ({first_line(error)}): restore it, or delete the "
            "file of the step `data_source` that names it and run that step again."
        ) from error
    values, labels = [], []
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
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
                f"{path}, line {number} has no {error}, which tangent/tasks/{task.name}.yaml "
                f"names; it has {', '.join(row)}: correct the line or the task's file."
            ) from error
    return values, labels, str(path), None


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
