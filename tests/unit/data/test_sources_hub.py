"""The hub source with the real client against a server on this machine, and damaged parquet."""

from __future__ import annotations

import itertools
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dataset_hub import COMMIT, DatasetHub
from locating import content, drawn, locate, opened
from small_copies import Picture, hub_entry, hub_names, pictures, write_hub, write_parquet

from tangent.datasets.sources import Sizes, hub
from tangent.datasets.sources.parquet import ParquetRows
from tangent.errors import UserError
from tangent.files import read_json
from tangent.tasks import load_task

TASK, SIZES = "eurosat", Sizes(40, None, 12)
ENTRY = hub_entry(TASK)
REPOSITORY = ENTRY["repository"]


@pytest.fixture
def repository(tmp_path) -> Path:
    return write_hub(tmp_path / "repository", TASK, SIZES.train, SIZES.test)


@pytest.fixture
def server(repository):
    with DatasetHub({REPOSITORY: repository}) as running:
        yield running


@pytest.fixture
def run(tmp_path):
    """The script with a cache of its own; each call writes another file."""
    numbers = itertools.count()

    def call(endpoint: str, entry=ENTRY, fails: bool = False, **variables: str):
        output = tmp_path / f"run{next(numbers)}" / f"{TASK}.json"
        variables |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "home")}
        return output, locate(output, TASK, [entry], SIZES, fails, **variables)

    return call


def test_what_is_in_the_cache_is_enough_without_a_network(server, run):
    online, _ = run(server.url)
    n = len(server.requests)
    offline, _ = run(server.url, HF_HUB_OFFLINE="1")
    assert len(server.requests) == n
    unreachable, _ = run("http://127.0.0.1:9")
    for output in (offline, unreachable):
        assert read_json(output)["details"] == read_json(online)["details"]
    data = opened(offline, TASK, SIZES)
    assert content(TASK, data.test, data.classes) == drawn(pictures(TASK, "test", SIZES.test))


def test_a_commit_pins_the_revision(server, run):
    output, said = run(server.url, hub_entry(TASK, COMMIT))
    assert read_json(output)["details"]["commit"] == COMMIT
    assert "Fetching 4 files" in said  # the client's progress


@pytest.mark.parametrize("variables", [{"HF_HUB_OFFLINE": "1"}, {}])
def test_an_empty_cache_without_a_network_says_both(run, variables):
    _, said = run("http://127.0.0.1:9", fails=True, **variables)
    reason = "HF_HUB_OFFLINE is set" if variables else "Connection refused"
    assert reason in said and "is out of reach" in said and "check the network" in said


def test_half_a_copy_in_the_cache_is_no_copy(server, run):
    server.broken.add("train-00001-of-00002.parquet")
    run(server.url, fails=True)
    _, said = run(server.url, fails=True, HF_HUB_OFFLINE="1")
    assert "revision main is not complete" in said


def test_a_stopped_download_goes_on_where_it_stopped(server, run):
    server.broken.add("train-00001-of-00002.parquet")
    _, said = run(server.url, fails=True)
    assert f"the download of {REPOSITORY} stopped (Server error '500" in said
    assert "complete files are kept" in said
    server.broken.clear()
    before = len(server.requests)
    output, _ = run(server.url)
    again = [path for method, path, _ in server.requests[before:] if method == "GET"]
    assert [Path(path).name for path in again if path.endswith(".parquet")] == [
        "train-00001-of-00002.parquet"
    ]
    assert len(opened(output, TASK, SIZES).train) == SIZES.train


def test_a_cut_connection_is_resumed_within_a_file(repository, server, run):
    # The client keeps what it has in parts of 10 MB; bytes after an image's end are no part of it.
    file = repository / "data" / "test-00001-of-00002.parquet"
    rows = pictures(TASK, "test", SIZES.test)[6:]
    large = [Picture(rows[0].pixels, rows[0].label, "large", rows[0].data + os.urandom(25_000_000))]
    write_parquet(file, [*large, *rows[1:]], hub_names(TASK))
    server.cut.add(file.name)
    output, _ = run(server.url)
    ranges = [asked for method, path, asked in server.requests if path.endswith(file.name)]
    assert ranges == [None, None, "bytes=10485760-"]  # the head, the first part, the rest
    data = opened(output, TASK, SIZES)
    assert content(TASK, data.test, data.classes) == drawn(pictures(TASK, "test", SIZES.test))


def test_a_gated_repository_says_what_to_accept_and_where_to_put_a_token(server, run):
    server.gated.add(REPOSITORY)
    _, said = run(server.url, fails=True)
    assert "the data set eurosat is in none of its sources" in said
    assert f"accept its conditions on https://huggingface.co/datasets/{REPOSITORY}" in said
    assert "hf auth login" in said and "HF_TOKEN" in said
    run(server.url, HF_TOKEN="hf_of_somebody_who_accepted")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"repository": "tanganke/eurosta"}, "tanganke/eurosta .* does not exist, or is private"),
        ({"revision": "v2"}, "has no revision 'v2': correct the key revision"),
        (
            {"test": "validation"},
            "no complete set of shards .* for: validation. Splits in this folder: contrast, "
            "gaussian_noise, impulse_noise, jpeg_compression, pixelate, test, train;",
        ),
        ({"folder": "default"}, "for: train, test. Splits in this folder: none; .* shards: data"),
    ],
)
def test_what_is_not_there_is_named(server, run, change, message):
    _, said = run(server.url, ENTRY | change, fails=True)
    assert re.search(message, said), said


def test_a_missing_shard_is_missing(repository, server, run):
    (repository / "data" / "test-00000-of-00002.parquet").unlink()
    _, said = run(server.url, fails=True)
    assert "has no complete set of shards" in said and "for: test." in said


def test_two_generations_of_a_split_are_refused(repository, server, run):
    rows = pictures(TASK, "test", SIZES.test)
    write_parquet(repository / "data" / "test-00000-of-00001.parquet", rows, hub_names(TASK))
    _, said = run(server.url, fails=True)
    assert "has two sets of shards for test, such as test-00000-of-00001.parquet and" in said


def test_a_file_that_was_damaged_in_the_cache_is_found(server, run):
    output, _ = run(server.url)
    details = read_json(output)["details"]
    blob = (Path(details["snapshot"]) / details["files"]["train"][1]).resolve()
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.write_bytes(content)
    _, said = run(server.url, fails=True)
    assert f"has another SHA-256 than on the hub, so it is damaged: delete {blob}" in said
    blob.unlink()
    run(server.url)


def test_a_damaged_shard_is_named_with_what_to_delete(repository, server, run):
    file = repository / "data" / "test-00001-of-00002.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    _, said = run(server.url, fails=True)
    assert "test-00001-of-00002.parquet is no complete parquet file" in said
    damaged = Path(said.partition("delete ")[2].partition(" and run")[0])
    assert damaged.read_bytes() == whole[:-100]
    damaged.unlink()
    file.write_bytes(whole)
    output, _ = run(server.url)
    assert len(opened(output, TASK, SIZES).test) == SIZES.test


# The following needs no server: what is in the files.


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
        hub.open_copy(load_task(TASK), SIZES, details)


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


def test_a_split_is_never_in_memory_as_a_whole(tmp_path):
    file = tmp_path / "train-00000-of-00001.parquet"
    heavy = [
        Picture(p.pixels, p.label, p.name, p.data + os.urandom(40_000))
        for p in pictures("eurosat", "train", 210)
    ]
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
