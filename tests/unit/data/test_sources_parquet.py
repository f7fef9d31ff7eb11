"""Parquet files as the library `datasets` writes them, and other ones."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_copies import hub_names, pictures, write_parquet

from tangent.data.examined import for_each
from tangent.data.sources import parquet
from tangent.data.sources.hub import Hub
from tangent.data.sources.parquet import ParquetRows
from tangent.data.sources.source import Sizes
from tangent.jobs.errors import UserError
from tangent.tasks.task_files import load_task


def write(file: Path, columns: dict, types: dict, names: list[str] | None = None) -> Path:
    features = {"label": {"names": names, "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})} if names else None
    pq.write_table(pa.Table.from_pydict(columns, pa.schema(types, metadata=metadata)), file)
    return file


IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
PNG = pictures("mnist", "train", 1)[0].data


@pytest.mark.parametrize(
    ("columns", "types", "message"),
    [
        (
            {"img": [b""], "label": [0]},
            {"img": pa.binary(), "label": pa.int64()},
            r"has no column 'image'; its columns are img \(binary\), label \(int64\)",
        ),
        (
            {"image": [{"bytes": PNG, "path": None}], "fine_label": [0]},
            {"image": IMAGE, "fine_label": pa.int64()},
            "has no column 'label'; its columns are image .* fine_label",
        ),
        (
            {"image": [b""], "label": [0]},
            {"image": pa.binary(), "label": pa.int64()},
            "'image' must be a struct that holds bytes",
        ),
        (
            {"image": [{"bytes": "text"}], "label": [0]},
            {"image": pa.struct({"bytes": pa.string()}), "label": pa.int64()},
            r"'image' must be a struct that holds bytes; columns: image \(struct<bytes: string>\)",
        ),
        (
            {"image": [{"bytes": PNG, "path": None}], "label": ["cat"]},
            {"image": IMAGE, "label": pa.string()},
            "'label' must hold whole numbers",
        ),
        (
            {"image": [{"bytes": PNG, "path": None}] * 2, "label": [0, None]},
            {"image": IMAGE, "label": pa.int64()},
            "1 rows have no label",
        ),
    ],
)
def test_other_columns_are_refused(columns, types, message, tmp_path):
    with pytest.raises(UserError, match=message):
        ParquetRows([write(tmp_path / "train-00000-of-00001.parquet", columns, types)])


@pytest.mark.parametrize("metadata", ["{", "[1]", '{"info": {"features": [1]}}'])
def test_metadata_that_are_not_the_librarys_are_refused(metadata, tmp_path):
    file = tmp_path / "train-00000-of-00001.parquet"
    schema = pa.schema({"image": IMAGE, "label": pa.int64()}, metadata={"huggingface": metadata})
    columns = {"image": [{"bytes": PNG, "path": None}], "label": [0]}
    pq.write_table(pa.Table.from_pydict(columns, schema), file)
    with pytest.raises(UserError, match=f"{file}: its metadata `huggingface` are not those"):
        ParquetRows([file])


def test_unreadable_images_are_named_when_they_are_decoded(tmp_path):
    images = [
        {"bytes": PNG, "path": "a.png"},
        {"bytes": PNG[:60], "path": "b.png"},
        {"bytes": None, "path": "c.png"},
        None,
    ]
    file = tmp_path / "train-00000-of-00001.parquet"
    columns = {"image": images, "label": [0] * 4}
    rows = ParquetRows([write(file, columns, {"image": IMAGE, "label": pa.int64()})])
    assert rows[0].shape == (28, 28, 3) and rows.classes is None
    with pytest.raises(UserError, match=rf"{file}, row 1 \(b.png\) is no complete image"):
        rows[1]
    with pytest.raises(UserError, match=rf"{file}, row 2 \(c.png\) holds no image"):
        rows[2]
    with pytest.raises(UserError, match="row 3 holds no image"):
        rows[3]


def test_images_without_names_cannot_be_sorted_by_name(tmp_path):
    columns = {"image": [{"bytes": PNG, "path": None}], "label": [0]}
    types = {"image": IMAGE, "label": pa.int64()}
    rows = ParquetRows([write(tmp_path / "train-00000-of-00001.parquet", columns, types)])
    with pytest.raises(UserError, match="no file names to sort by. Set .* `order` to `content`"):
        rows.key(0)


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        ([-1, -1], ["a", "b"], "labels go down to -1, so this split's labels are secret"),
        ([0, 1], ["b", "a"], "the splits train and test name different classes"),
    ],
)
def test_splits_that_cannot_be_used_are_refused(labels, names, message, tmp_path):
    images = [{"bytes": PNG, "path": None}] * 2
    types = {"image": IMAGE, "label": pa.int64()}
    write(tmp_path / "train.parquet", {"image": images, "label": [0, 1]}, types, ["a", "b"])
    write(tmp_path / "test.parquet", {"image": images, "label": labels}, types, names)
    files = {"train": ["train.parquet"], "test": ["test.parquet"]}
    details = {"snapshot": str(tmp_path), "files": files}
    with pytest.raises(UserError, match=message):
        Hub(source="hub", repository="a/b", revision="main").open_copy(
            load_task("eurosat"), Sizes(2, None, 2), details
        )


def test_shards_of_a_split_must_agree_on_the_classes(tmp_path):
    columns = {"image": [{"bytes": PNG, "path": None}], "label": [0]}
    types = {"image": IMAGE, "label": pa.int64()}
    files = [tmp_path / f"{number}.parquet" for number in range(2)]
    for file, names in zip(files, (["a", "b"], ["b", "a"]), strict=True):
        write(file, columns, types, names)
    with pytest.raises(UserError, match="1.parquet names other classes"):
        ParquetRows(files)


def test_damage_between_footer_and_start_is_found_when_it_is_read(tmp_path):
    file = tmp_path / "train-00000-of-00001.parquet"
    write_parquet(file, pictures("cars", "train", 30), hub_names("cars"))
    content = bytearray(file.read_bytes())
    content[4:64] = os.urandom(60)
    file.write_bytes(content)
    with pytest.raises(UserError, match="is no (complete|readable)"):
        rows = ParquetRows([file])
        [rows[row] for row in range(len(rows))]


def test_many_threads_read_what_one_reads(rng, tmp_path):
    shards = [tmp_path / f"{number}.parquet" for number in range(3)]
    drawn = pictures("eurosat", "train", 60)
    for number, file in enumerate(shards):
        write_parquet(file, drawn[20 * number : 20 * number + 20], hub_names("eurosat"))
    rows = ParquetRows(shards)
    order = rng.permutation(np.repeat(np.arange(60), 4)).tolist()
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(rows.__getitem__, order))
    for row, image in zip(order, images, strict=True):
        assert np.array_equal(image, drawn[row].pixels)


def test_each_group_is_read_once_by_as_many_threads_as_a_rule_has(monkeypatch, tmp_path):
    columns = {"image": [{"bytes": PNG, "path": None}] * 2000, "label": [0] * 2000}
    schema = pa.schema({"image": IMAGE, "label": pa.int64()})
    file = tmp_path / "train-00000-of-00001.parquet"
    # The library datasets writes images in groups of 100 rows.
    pq.write_table(pa.Table.from_pydict(columns, schema), file, row_group_size=100)
    groups, read = [], pq.ParquetFile.read_row_group

    def noted(self, group, **options):
        groups.append(group)
        return read(self, group, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", noted)
    rows = ParquetRows([file])
    for_each(np.arange(len(rows)), rows.__getitem__, 8, "read", "image")
    assert sorted(groups) == list(range(20))


def test_a_split_is_never_in_memory_as_a_whole(monkeypatch, tmp_path):
    monkeypatch.setattr(parquet, "_ROWS_IN_MEMORY", 5)  # fewer than a group has
    file = tmp_path / "train-00000-of-00001.parquet"
    drawn = pictures("eurosat", "train", 210)
    heavy = [replace(picture, data=picture.data + os.urandom(40_000)) for picture in drawn]
    write_parquet(file, heavy, hub_names("eurosat"))
    before = pa.total_allocated_bytes()
    rows = ParquetRows([file])
    assert [rows.key(row) for row in range(3)] == [Path(p.name).stem for p in heavy[:3]]
    assert pa.total_allocated_bytes() - before < 1_000_000  # labels and names, no images
    most = 0
    for row in range(len(rows)):
        rows[row]
        most = max(most, pa.total_allocated_bytes() - before)
    # Of thirty groups of rows two stay, and a few more are in memory while one is read.
    assert 0 < most < file.stat().st_size / 3
