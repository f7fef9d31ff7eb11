"""Hugging Face parquet files: images in a struct column (bytes, path), or texts in any columns."""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tangent.data.sources.source import Rows, TextRows, decode, labelled_texts, no_names
from tangent.jobs.errors import UserError, first_line
from tangent.jobs.files import check_regular
from tangent.tasks.task_files import TextTask

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

# So many rows stay in memory, and two groups in any case: eight threads that read ascending rows
# are up to 256 apart, and a group that is dropped too early is read again.
_ROWS_IN_MEMORY = 512
# The hub's copy of ImageNet appends the class to each file's name; sorting by name must not see it.
_CLASS_SUFFIX = re.compile(r"_n\d{8}$")


class ParquetRows(Rows):
    """Images of one split's shards; only labels, and a few groups of rows, are ever in memory.

    Args:
        files: the shards.
        image, label: names of the columns.
        classes: the labels' names, in place of those that the files have.

    Raises:
        UserError: a file is truncated, lacks a column or has one of another type.
    """

    def __init__(
        self,
        files: Sequence[Path],
        image: str = "image",
        label: str = "label",
        classes: tuple[str, ...] = (),
    ) -> None:
        self._image, self._lock = image, threading.Lock()
        self._recent: OrderedDict[int, pa.ChunkedArray] = OrderedDict()
        # Each group of rows: its shard, its number in there, its first row in there and overall.
        self._groups: list[tuple[Path, int, int]] = []
        self._starts: list[int] = []
        labels: list[pa.ChunkedArray] = []
        named = {}
        for file in files:
            start, first = sum(map(len, labels)), 0
            with opened(file) as content:
                _check_columns(file, content.schema_arrow, image, label)
                named[file] = class_names(file, content.schema_arrow, label)
                for number in range(content.num_row_groups):
                    self._groups.append((file, number, first))
                    self._starts.append(start + first)
                    first += content.metadata.row_group(number).num_rows
                labels.append(content.read([label]).column(label))
            if labels[-1].null_count:
                raise UserError(f"{file}: {labels[-1].null_count} rows have no label.")
        numbers = np.concatenate([column.to_numpy().astype(np.int64) for column in labels])
        super().__init__(numbers, str(files[0]), classes or _same(named))

    def name(self, row: int) -> str:
        return self._name(row, self._paths[row])

    def key(self, row: int) -> str:
        path = self._paths[row]
        if not path:
            raise no_names(self._place(row))
        return _CLASS_SUFFIX.sub("", Path(path).stem)

    def __getitem__(self, row: int) -> np.ndarray:
        group = self._group_of(row)
        record = self._images(group)[row - self._starts[group]].as_py() or {}
        name = self._name(row, record.get("path"))
        if not record.get("bytes"):
            raise UserError(f"{name} holds no image: choose another revision or source.")
        return decode(record["bytes"], name, _download_again(self._groups[group][0]))

    def _group_of(self, row: int) -> int:
        return int(np.searchsorted(self._starts, row, side="right")) - 1

    def _images(self, group: int) -> pa.ChunkedArray:
        with self._lock:
            if group not in self._recent:
                file, number, _ = self._groups[group]
                with opened(file) as content:
                    table = content.read_row_group(number, columns=[self._image])
                self._recent[group] = table.column(self._image)
                while len(self._recent) > 2 + _ROWS_IN_MEMORY // table.num_rows:
                    self._recent.popitem(last=False)
            self._recent.move_to_end(group)
            return self._recent[group]

    @cached_property
    def _paths(self) -> list[str | None]:
        """The images' paths of all shards, without the images."""
        import pyarrow.compute as pc

        paths: list[str | None] = []
        for file in dict.fromkeys(file for file, _, _ in self._groups):
            with opened(file) as content:
                column = content.read([f"{self._image}.path"])
                if column.num_columns:
                    paths += pc.struct_field(column.column(self._image), "path").to_pylist()
                else:
                    paths += [None] * content.metadata.num_rows
        return paths

    def _place(self, row: int) -> str:
        group = self._group_of(row)
        file, _, first = self._groups[group]
        return f"{file}, row {row - self._starts[group] + first}"

    def _name(self, row: int, path: str | None) -> str:
        return f"{self._place(row)} ({path})" if path else self._place(row)


@contextmanager
def opened(file: Path) -> Iterator[pq.ParquetFile]:
    """Open a file, and answer what pyarrow raises for a damaged one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_regular(file)
    try:
        with pq.ParquetFile(file) as content:
            yield content
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{file} is no complete parquet file ({first_line(error)}): {_download_again(file)}."
        ) from error


def _download_again(file: Path) -> str:
    # In the hub's cache the file is a link; the link alone would be made again.
    return (
        f"delete {file.resolve()} and run the step `data_source` again (`snakemake --forcerun "
        "data_source`), which downloads it anew"
    )


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in schema)


def _check_columns(file: Path, schema: pa.Schema, image: str, label: str) -> None:
    import pyarrow as pa

    for column, key in ((image, "image"), (label, "label")):
        if column not in schema.names:
            raise UserError(
                f"{file} has no column {column!r}; its columns are {_columns(schema)}. The "
                f"source's key `{key}` names it."
            )
    images, labels = schema.field(image).type, schema.field(label).type
    has_bytes = pa.types.is_struct(images) and images.get_field_index("bytes") >= 0
    if not has_bytes or images.field("bytes").type not in (pa.binary(), pa.large_binary()):
        wrong, wanted = image, "be a struct that holds bytes"
    elif not pa.types.is_integer(labels):
        wrong, wanted = label, "hold whole numbers"
    else:
        return
    raise UserError(f"{file}: {wrong!r} must {wanted}; columns: {_columns(schema)}.")


def read_texts(task: TextTask, files: Mapping[str, Sequence[Path]]) -> dict[str, TextRows]:
    """Read the texts of all splits, whose columns the task's prompt names.

    Raises:
        UserError: a file is truncated, lacks a column, or the labels are no labels.
    """
    return labelled_texts({split: _read(task, shards) for split, shards in files.items()})


def _read(task: TextTask, files: Sequence[Path]) -> tuple[list, list, str, Any]:
    values: list[dict[str, Any]] = []
    labels: list[Any] = []
    classes = {}
    asked = {**dict.fromkeys(task.columns, "prompt"), task.label: "label"}
    for file in files:
        with opened(file) as content:
            schema = content.schema_arrow
            for column, key in asked.items():
                if column not in schema.names:
                    raise UserError(
                        f"{file} has no column {column!r}, which the key `{key}` of "
                        f"{task.place} names; its columns are {_columns(schema)}."
                    )
            classes[file] = class_names(file, schema, task.label)
            table = content.read([*task.columns, task.label])
        values += table.select(list(task.columns)).to_pylist()
        labels += table.column(task.label).to_pylist()
    return values, labels, str(files[0]), _same(classes)


def class_names(file: Path, schema: pa.Schema, column: str) -> tuple[str, ...] | None:
    """The names that the library `datasets` saves with a label column of type ClassLabel."""
    text = (schema.metadata or {}).get(b"huggingface", b"{}")
    try:
        feature: Any = json.loads(text)
        for key in ("info", "features", column):
            feature = feature.get(key) or {}
        return tuple(feature["names"]) if feature.get("names") else None
    except (ValueError, AttributeError) as error:
        raise UserError(
            f"{file}: its metadata `huggingface` are not those of the library datasets "
            f"({first_line(error)}): choose another revision or source."
        ) from error


def _same(classes: Mapping[Path, tuple[str, ...] | None]) -> tuple[str, ...] | None:
    """The names in the files of one split, which must be the same in all."""
    first, *others = classes
    for file in others:
        if classes[file] != classes[first]:
            raise UserError(f"{file} names other classes than the split's first file.")
    return classes[first]
