"""The hub source: the real client against a server on the loopback device."""

from __future__ import annotations

import io
import itertools
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hub_server import Hub, Repository, files_in, serve
from locating import content, drawn, locate, opened
from small_copies import hub_entry, hub_names, pictures, write_hub, write_parquet

from tangent.data.sources.locating import open_source, read_located
from tangent.data.sources.source import Sizes
from tangent.jobs.files import read_json
from tangent.tasks.task_files import described_task

TASK, SIZES = "eurosat", Sizes(40, None, 12)
ENTRY = hub_entry(TASK)
REPOSITORY = ENTRY["repository"]


COMMIT = "c0ffee" * 6 + "1234"
NO_HUB = {"HF_ENDPOINT": "http://127.0.0.1:9"}
SECOND_SHARD = "data/train-00001-of-00002.parquet"


@pytest.fixture
def repository(tmp_path) -> Repository:
    copy = write_hub(tmp_path / "copy", TASK, SIZES.train, SIZES.test)
    return Repository(COMMIT, files_in(copy), ["main"])


@pytest.fixture
def hub(repository) -> Iterator[Hub]:
    with serve({f"datasets/{REPOSITORY}": repository}) as running:
        yield running


@pytest.fixture
def run(hub, tmp_path) -> Callable[..., tuple[Path, str]]:
    """Run the script with a cache of its own; returns its output, new each time, and its words."""
    numbers = itertools.count()

    def call(entry=ENTRY, fails: bool = False, **variables: str) -> tuple[Path, str]:
        output = tmp_path / f"run{next(numbers)}" / f"{TASK}.json"
        variables = hub.environment(tmp_path / "home") | variables
        return output, locate(output, TASK, [entry], SIZES, fails, **variables)

    return call


def test_what_is_in_the_cache_is_enough_without_a_network(hub, run):
    online, _ = run()
    n = len(hub.requests)
    offline, _ = run(HF_HUB_OFFLINE="1")
    assert len(hub.requests) == n
    unreachable, _ = run(**NO_HUB)
    for output in (offline, unreachable):
        assert read_json(output)["details"] == read_json(online)["details"]
    data = opened(offline, TASK, SIZES)
    assert content(TASK, data.test, data.classes) == drawn(pictures(TASK, "test", SIZES.test))


def test_a_commit_pins_the_revision(run):
    output, said = run(hub_entry(TASK, COMMIT))
    assert read_json(output)["details"]["commit"] == COMMIT
    assert "Fetching 4 files" in said  # the client's progress


@pytest.mark.parametrize("variables", [{"HF_HUB_OFFLINE": "1"}, {}])
def test_an_empty_cache_without_a_network_says_both(run, variables):
    _, said = run(fails=True, **NO_HUB | variables)
    reason = "HF_HUB_OFFLINE is set" if variables else "Connection refused"
    assert reason in said and "is out of reach" in said and "check the network" in said


def test_half_a_copy_in_the_cache_is_no_copy(repository, run):
    repository.broken.add(SECOND_SHARD)
    run(fails=True)
    _, said = run(fails=True, HF_HUB_OFFLINE="1")
    assert "revision main is not complete" in said


def test_a_stopped_download_goes_on_where_it_stopped(repository, hub, run):
    repository.broken.add(SECOND_SHARD)
    _, said = run(fails=True)
    assert f"the download of {REPOSITORY} stopped (Server error '500" in said
    assert "complete files are kept" in said
    repository.broken.clear()
    before = len(hub.requests)
    output, _ = run()
    again = [line for line in hub.requests[before:] if re.match(r"GET .*\.parquet$", line)]
    assert len(again) == 1 and again[0].endswith(SECOND_SHARD)
    assert len(opened(output, TASK, SIZES).train) == SIZES.train


def test_a_cut_connection_is_resumed_within_a_file(repository, hub, run, tmp_path):
    # The client keeps what it has in parts of 10 MB; bytes after an image's end are no part of it.
    name = "data/test-00001-of-00002.parquet"
    rows = pictures(TASK, "test", SIZES.test)[6:]
    large = replace(rows[0], data=rows[0].data + os.urandom(25_000_000))
    write_parquet(tmp_path / "large.parquet", [large, *rows[1:]], hub_names(TASK))
    repository.files[name] = (tmp_path / "large.parquet").read_bytes()
    repository.cut.add(name)
    output, _ = run()
    asked = [line.partition(name)[2] for line in hub.requests if name in line]
    assert asked == ["", "", " bytes=10485760-"]  # the head, the first part, the rest
    data = opened(output, TASK, SIZES)
    assert content(TASK, data.test, data.classes) == drawn(pictures(TASK, "test", SIZES.test))


@pytest.mark.parametrize("with_names", [True, False])
def test_class_names_are_compared_on_one_shard(hub, repository, run, tmp_path, with_names):
    """Where a copy has names; of one that has none all is fetched."""
    names = ["a kraken", *hub_names(TASK)[1:]] if with_names else []
    splits = {"train": SIZES.train, "test": SIZES.test}
    for split, n in splits.items():
        for number, part in enumerate(np.array_split(pictures(TASK, split, n), 2)):
            write_parquet(tmp_path / "shard.parquet", list(part), names)
            name = f"data/{split}-{number:05d}-of-00002.parquet"
            repository.files[name] = (tmp_path / "shard.parquet").read_bytes()
    _, said = run(fails=with_names)
    fetched = [line for line in hub.requests if re.match(r"GET .*\.parquet$", line)]
    if with_names:
        assert "task eurosat: the data set's class names do not match the task's" in said
        assert "names that fit no single class: 'a kraken'" in said
        assert len(fetched) == 1 and fetched[0].endswith("data/train-00000-of-00002.parquet")
    else:
        assert len(fetched) == 4


def test_a_gated_repository_says_what_to_accept_and_where_to_put_a_token(repository, run):
    repository.is_gated = True
    _, said = run(fails=True)
    assert "the data set eurosat is in none of its sources" in said
    assert f"accept its conditions on https://huggingface.co/datasets/{REPOSITORY}" in said
    assert "hf auth login" in said and "HF_TOKEN" in said
    run(HF_TOKEN="hf_of_somebody_who_accepted")


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
def test_what_is_not_there_is_named(run, change, message):
    _, said = run(ENTRY | change, fails=True)
    assert re.search(message, said), said


def test_a_missing_shard_is_missing(repository, run):
    del repository.files["data/test-00000-of-00002.parquet"]
    _, said = run(fails=True)
    assert "has no complete set of shards" in said and "for: test." in said


def test_two_generations_of_a_split_are_refused(repository, run):
    other = repository.files["data/contrast-00000-of-00002.parquet"]
    repository.files["data/test-00000-of-00001.parquet"] = other
    _, said = run(fails=True)
    assert "has two sets of shards for test, such as test-00000-of-00001.parquet and" in said


@pytest.mark.parametrize("is_moved", [False, True])
def test_a_file_that_was_damaged_in_the_cache_is_found(run, tmp_path, is_moved):
    output, _ = run()
    details = read_json(output)["details"]
    blob = (Path(details["snapshot"]) / details["files"]["train"][1]).resolve()
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.write_bytes(content)
    if is_moved:  # to another disk, with a link in its place
        blob.symlink_to(blob.rename(tmp_path / "elsewhere"))
    _, said = run(fails=True)
    assert f"has another SHA-256 than on the hub, so it is damaged: delete {blob}" in said
    blob.unlink()
    run()


def test_a_damaged_shard_is_named_with_what_to_delete(repository, run):
    name = "data/test-00001-of-00002.parquet"
    whole = repository.files[name]
    repository.files[name] = whole[:-100]
    _, said = run(fails=True)
    assert "test-00001-of-00002.parquet is no complete parquet file" in said
    damaged = Path(said.partition("delete ")[2].partition(" and run")[0])
    assert damaged.read_bytes() == whole[:-100]
    damaged.unlink()
    repository.files[name] = whole
    output, _ = run()
    assert len(opened(output, TASK, SIZES).test) == SIZES.test


def test_a_data_set_that_is_none_of_ours_needs_its_entry_alone(repository, run, hub, tmp_path):
    """Other columns, no names in the files: both are in the entry, and the classes with them."""
    names = ["low_land", "high_land"]
    for name in [name for name in repository.files if name.endswith(".parquet")]:
        table = pq.read_table(io.BytesIO(repository.files[name]))
        other = pa.table({"img": table["image"], "kind": pc.bit_wise_and(table["label"], 1)})
        pq.write_table(other, file := io.BytesIO())
        repository.files[name] = file.getvalue()
    columns = {"image": "img", "label": "kind", "labels": names}
    output = tmp_path / "land.json"
    locate(output, "land", [ENTRY | columns], SIZES, False, **hub.environment(tmp_path / "home"))
    task, located = described_task("land", output), read_located(output)
    assert task.prompts() == [["a photo of a low land"], ["a photo of a high land"]]
    data = open_source(task, located, SIZES)
    rows = pictures(TASK, "test", SIZES.test)
    assert data.classes == tuple(names)
    assert data.test.labels.tolist() == [picture.label % 2 for picture in rows]
    assert all((data.test[n] == picture.pixels).all() for n, picture in enumerate(rows))
    _, said = run(ENTRY | columns | {"image": "picture"}, fails=True)
    assert "has no column 'picture'" in said and "The source's key `image` names it" in said
