"""Texts of Hugging Face parquet files: the columns that a task's prompt names, and its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tangent.data.sources.parquet import class_names, complete
from tangent.data.sources.text_rows import TextRows, Unlabelled, label
from tangent.jobs.errors import UserError
from tangent.tasks.text_task import TextTask

if TYPE_CHECKING:
    import pyarrow as pa


def read_texts(task: TextTask, files: Mapping[str, Sequence[Path]]) -> dict[str, TextRows]:
    """Read the texts of all splits.

    Args:
        task: its prompt names the columns.
        files: the shards of each split, in order.

    Raises:
        UserError: a file is truncated, lacks a column, or the labels are no labels.
    """
    return label({split: _read(task, shards) for split, shards in files.items()})


def _read(task: TextTask, files: Sequence[Path]) -> Unlabelled:
    import pyarrow.parquet as pq

    values: list[dict[str, Any]] = []
    labels: list[Any] = []
    classes = None
    for file in files:
        with complete(file), pq.ParquetFile(file) as content:
            _check_columns(task, file, content.schema_arrow)
            names = class_names(file, content.schema_arrow, task.label)
            table = content.read([*task.columns, task.label])
        if labels and names != classes:
            raise UserError(f"{file} names other classes than the split's first file.")
        classes = names
        values += table.select(list(task.columns)).to_pylist()
        labels += table.column(task.label).to_pylist()
    return Unlabelled(values, labels, str(files[0]), classes)


def _check_columns(task: TextTask, file: Path, schema: pa.Schema) -> None:
    asked = {**dict.fromkeys(task.columns, "prompt"), task.label: "label"}
    for column, key in asked.items():
        if column not in schema.names:
            there = ", ".join(f"{field.name} ({field.type})" for field in schema)
            raise UserError(
                f"{file} has no column {column!r}, which the key `{key}` of "
                f"tangent/tasks/{task.name}.yaml names; its columns are {there}."
            )
