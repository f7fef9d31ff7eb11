"""Every data set by the hub and by its folder layout: the same pixels, the same classes."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hub_server import Repository, files_in, serve
from locating import arguments, content, drawn, locate_all, opened
from small_copies import HUB, NINE, hub_entry, pictures, write_folder, write_hub
from torchvision import datasets

from tangent.data.sources.locating import read_located
from tangent.data.sources.source import Sizes, SourceData
from tangent.jobs.files import read_json
from tangent.tasks.task_files import load_task

COMMIT = "c0ffee" * 6 + "1234"
N_TEST, N_VALIDATION = 11, 10


def n_train(task: str) -> int:
    return len(load_task(task).classes) + 9


def sizes(task: str) -> Sizes:
    return Sizes(n_train(task), N_VALIDATION if task == "eurosat" else None, N_TEST)


@pytest.fixture(scope="module")
def copies(tmp_path_factory) -> dict[str, tuple[SourceData, SourceData]]:
    """Each task's data by the hub and by its folder, located by the script."""
    folder = tmp_path_factory.mktemp("nine")
    repositories = {}
    for task in NINE:
        copy = write_hub(folder / "hub" / task, task, n_train(task), N_TEST)
        repositories[f"datasets/{HUB[task][0]}"] = Repository(COMMIT, files_in(copy), ["main"])
        write_folder(folder / "data", task, n_train(task), N_TEST, N_VALIDATION)
    found = {}
    on_disk = {"source": "folder", "root": str(folder / "data")}
    jobs = [
        arguments(folder / f"{task}.{entry['source']}.json", task, [entry], sizes(task))
        for task in NINE
        for entry in (hub_entry(task), on_disk)
    ]
    with serve(repositories) as hub:
        locate_all(jobs, **hub.environment(folder / "home"))
    for task in NINE:
        files = [folder / f"{task}.{source}.json" for source in ("hub", "folder")]
        found[task] = tuple(opened(file, task, sizes(task)) for file in files)
    found["requests"] = hub.requests
    found["folder"] = folder
    return found


@pytest.mark.parametrize("task", NINE)
def test_hub_and_folder_give_the_pictures_that_were_written(task, copies):
    by_hub, by_folder = copies[task]
    for split, n in (("train", n_train(task)), ("test", N_TEST)):
        expected = drawn(pictures(task, split, n))
        for data in (by_hub, by_folder):
            rows = getattr(data, split)
            assert rows.labels.dtype == np.int64 and len(rows) == len(rows.labels) == n
            assert rows[0].dtype == np.uint8 and rows[0].flags.c_contiguous
            assert content(task, rows, data.classes) == expected
    assert by_hub.validation is None
    if task == "eurosat":
        validation = drawn(pictures(task, "validation", N_VALIDATION))
        assert content(task, by_folder.validation, by_folder.classes) == validation
    else:
        assert by_folder.validation is None


def test_only_shards_of_the_wanted_splits_are_downloaded(copies):
    downloads = [line for line in copies["requests"] if re.match(r"GET .*\.parquet$", line)]
    splits = Counter(re.search(r"/(\w+)-\d{5}-of-00002\.parquet", line)[1] for line in downloads)
    # ImageNet's test images are the hub's validation split.
    assert splits == {"train": 2 * len(NINE), "test": 2 * len(NINE) - 2, "validation": 2}


def test_the_commit_behind_a_branch_is_recorded(copies):
    located = read_located(copies["folder"] / "cars.hub.json")
    assert located.entry["revision"] == "main" and located.details["commit"] == COMMIT
    snapshot = Path(located.details["snapshot"])
    assert all((snapshot / file).exists() for file in located.details["files"]["train"])
    assert read_json(copies["folder"] / "cars.hub.json")["task"] == "cars"


def test_imagenets_order_by_name_is_torchvisions_whatever_the_copy(copies):
    reference = datasets.ImageFolder(copies["folder"] / "data" / "imagenet" / "train")
    expected = [Path(path).stem for path, _ in reference.samples]
    for data in copies["imagenet"]:
        order = sorted(range(len(data.train)), key=data.train.key)
        assert [data.train.key(row) for row in order] == expected
        assert data.train.labels[order].tolist() == reference.targets


@pytest.mark.parametrize("task", NINE)
def test_rows_have_names_for_messages(task, copies):
    for data in copies[task]:
        names = [data.test.name(row) for row in range(N_TEST)]
        assert len(set(names)) == N_TEST
        assert str(copies["folder"]) in names[0]
    # A shard's own row, not the split's: 11 rows are 6 and 5.
    assert "00001-of-00002.parquet, row 4" in copies[task][0].test.name(10)
