"""Texts from Parquet files, JSON lines and the demo world."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tangent.data.sources.locating import locate, open_source
from tangent.data.sources.parquet import read_texts
from tangent.data.sources.source import Sizes
from tangent.jobs.errors import UserError
from tangent.tasks.matching import match_labels
from tangent.tasks.task_files import TextTask, load_task

SIZES = Sizes(6, None, 3)
TASK = TextTask("polarity_books", "", "{text} ?", ("negative", "positive"), label="mood")


def parquet(file: Path, columns: dict, names: list[str] | None = None) -> Path:
    """A file as the library `datasets` writes it: with the names of a ClassLabel, or without."""
    table = pa.Table.from_pydict(columns)
    if names:
        features = {"mood": {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata(
            {"huggingface": json.dumps({"info": {"features": features}})}
        )
    pq.write_table(table, file, row_group_size=2)
    return file


@pytest.mark.parametrize(
    ("moods", "names"),
    [([0, 1, 1], ["pos", "neg"]), (["pos", "neg", "neg"], None), ([0, 1, 1], None)],
    ids=["class labels", "names", "numbers"],
)
def test_labels_are_numbered_alike_whatever_the_files_say(tmp_path, moods, names):
    files = {
        split: [parquet(tmp_path / f"{split}.parquet", {"text": texts, "mood": moods}, names)]
        for split, texts in (("train", ["a", "b", "c"]), ("test", ["d", "e", "f"]))
    }
    rows = read_texts(TASK, files)
    assert [rows["train"][row] for row in range(3)] == [{"text": "a"}, {"text": "b"}, {"text": "c"}]
    classes = rows["train"].classes
    assert rows["test"].classes == classes
    named = TextTask("polarity_books", "", "{text}", TASK.classes, (("neg",), ("pos",)))
    order = np.arange(2) if classes is None else match_labels(named, classes)
    expected = [0, 1, 1] if classes is None else [1, 0, 0]
    assert order[rows["train"].labels].tolist() == expected


def test_names_have_one_number_in_all_splits(tmp_path):
    moods = {"train": ["sad", "glad", "bad"], "test": ["sad", "sad"]}
    rows = read_texts(
        TASK,
        {
            split: [parquet(tmp_path / f"{split}.parquet", {"text": ["a"] * len(m), "mood": m})]
            for split, m in moods.items()
        },
    )
    for split, names in moods.items():
        assert [rows[split].classes[label] for label in rows[split].labels] == names
    assert rows["test"].classes == ("bad", "glad", "sad")


def test_entries_of_nested_columns_are_read(tmp_path):
    task = TextTask("t", "", "{q} {choices[text][1]}", ("A", "B"), label="key")
    columns = {"q": ["why"], "choices": [{"text": ["x", "y"], "label": ["A", "B"]}], "key": ["B"]}
    rows = read_texts(task, {"train": [parquet(tmp_path / "t.parquet", columns)]})["train"]
    assert "".join(piece.text for piece in task.fill(rows[0], "")) == "why y"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"txt": ["a"], "mood": [0]}, r"no column 'text', which the key `prompt` of .*books.yaml"),
        ({"text": ["a"], "label": [0]}, r"no column 'mood', which the key `label`"),
        ({"text": ["a"], "mood": [0.5]}, "labels must all be whole numbers, or all be names"),
        ({"text": ["a", "b"], "mood": [0, None]}, "1 rows have no label"),
    ],
)
def test_wrong_columns_are_refused(tmp_path, columns, message):
    file = parquet(tmp_path / "train.parquet", columns)
    with pytest.raises(UserError, match=message) as caught:
        read_texts(TASK, {"train": [file]})
    assert str(file) in str(caught.value)


def test_a_truncated_file_is_named(tmp_path):
    file = parquet(tmp_path / "train.parquet", {"text": ["a"] * 99, "mood": [0] * 99})
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(UserError, match="is no complete parquet file"):
        read_texts(TASK, {"train": [file]})


def lines(folder: Path, **splits: list[dict]) -> dict[str, str]:
    """A folder of JSON lines; returns the configuration's entry."""
    for split, rows in splits.items():
        file = folder / TASK.name / f"{split}.jsonl"
        file.parent.mkdir(exist_ok=True)
        file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return {"source": "json_lines", "root": str(folder)}


def test_json_lines(tmp_path):
    train = [{"text": f"text {n}", "label": n % 2, "more": None} for n in range(6)]
    entry = lines(tmp_path, train=train, test=train[:3])
    task = load_task("polarity_books")
    data = open_source(task, locate(task, [entry], SIZES), SIZES)
    assert [data.train[row] for row in range(6)] == [{"text": row["text"]} for row in train]
    assert data.test.labels.tolist() == [0, 1, 0] and data.validation is None


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"txt": "a", "label": 0}, r"line 2 has no 'text', which .*books.yaml names; it has txt"),
        (["a"], "line 2 is no JSON object"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, row, message):
    good = {"text": "a", "label": 0}
    entry = lines(tmp_path, train=[good, row], test=[good])
    task = load_task("polarity_books")
    located = locate(task, [entry], SIZES)
    with pytest.raises(UserError, match=f"train.jsonl, {message}"):
        open_source(task, located, SIZES)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    entry = lines(tmp_path, train=[{"text": "a", "label": 0}], test=[{"text": "b", "label": 1}])
    task = load_task("polarity_books")
    located, file = locate(task, [entry], SIZES), tmp_path / task.name / "test.jsonl"
    file.write_text('{"text": "caf\xe9", "label": 1}\n', encoding="latin-1")
    with pytest.raises(UserError, match=r"test\.jsonl cannot be read as UTF-8 text .*restore it"):
        open_source(task, located, SIZES)
    file.unlink()
    with pytest.raises(UserError, match=r"is not complete: .*test\.jsonl is missing"):
        open_source(task, located, SIZES)


def test_the_next_source_is_tried_where_there_is_no_folder(tmp_path):
    absent = {"source": "json_lines", "root": str(tmp_path)}
    task = load_task("polarity_books")
    located = locate(task, [absent, {"source": "demo_text", "seed": 0}], SIZES)
    assert located.entry["source"] == "demo_text" and len(located.skipped) == 1
    data = open_source(task, located, SIZES)
    assert (len(data.train), len(data.test)) == (SIZES.train, SIZES.test)
