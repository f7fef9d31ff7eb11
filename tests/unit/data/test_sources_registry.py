"""Sources in their order, expected sizes, and the sources that need no data."""

from __future__ import annotations

import numpy as np
import pytest
from locating import locate, locate_here, opened
from small_copies import write_folder

from tangent.data.sources.locating import Located, open_source, read_located
from tangent.data.sources.locating import locate as locate_source
from tangent.data.sources.source import Sizes, SourceData
from tangent.demo.world import render_task
from tangent.jobs.errors import UserError
from tangent.jobs.files import read_json, write_json
from tangent.tasks.task_files import load_task

NOWHERE = {"source": "folder", "root": "no/such/folder"}
SYNTHETIC = {"source": "synthetic", "height": 20, "width": 30, "seed": 0}


def synthetic(task: str, *sizes: int | None, **options: int) -> SourceData:
    return open_source(load_task(task), Located(SYNTHETIC | options, {}, []), Sizes(*sizes))


def test_the_first_source_that_is_there_is_taken_and_the_others_are_explained(tmp_path):
    write_folder(tmp_path / "data", "svhn", 20, 5)
    there = {"source": "folder", "root": str(tmp_path / "data")}
    output = tmp_path / "sources" / "svhn.json"
    entries = [NOWHERE, there, SYNTHETIC]
    said = locate(output, "svhn", entries, Sizes(20, None, 5), fails=False)
    reason = "datasets.svhn.sources[0] (folder): no/such/folder has none of svhn/train_32x32.mat"
    assert f"skipped {reason}" in said
    content = read_json(output)
    assert content["entry"] == there and content["skipped"][0].startswith(reason)
    assert content["provenance"]["settings"]["task"] == "svhn"
    assert len(opened(output, "svhn", Sizes(20, None, 5)).train) == 20


def test_a_wrong_copy_ends_the_search(tmp_path):
    folder = write_folder(tmp_path / "data", "svhn", 20, 5)
    (folder / "test_32x32.mat").unlink()
    entries = [{"source": "folder", "root": str(tmp_path / "data")}, SYNTHETIC]
    with pytest.raises(UserError, match="missing: svhn/test_32x32.mat"):
        locate_source(load_task("svhn"), entries, Sizes(20, None, 5))


def test_where_nothing_is_there_every_source_is_listed_with_its_remedy(tmp_path):
    torchvision = {"source": "torchvision", "root": str(tmp_path), "download": False}
    with pytest.raises(UserError) as error:
        locate_source(load_task("mnist"), [NOWHERE, torchvision], Sizes(20, None, 5))
    first, *lines = str(error.value).splitlines()
    assert first == "the data set mnist is in none of its sources:" and len(lines) == 2
    assert lines[0].startswith("- datasets.mnist.sources[0] (folder): no/such/folder has none of ")
    assert lines[0].endswith("put the data set there.")
    assert lines[1].startswith("- datasets.mnist.sources[1] (torchvision): ")
    assert lines[1].endswith("Set download to true.")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"source": "web"}, "unknown source 'web': choose one of hub, class_folders, csv, folder"),
        ({"source": "demo"}, "seed: field required"),
        (SYNTHETIC | {"size": 3}, "size: extra inputs are not permitted"),
    ],
)
def test_a_malformed_entry_is_refused(entry, message):
    with pytest.raises(UserError, match=rf"datasets.letters.sources\[0\].*{message}"):
        locate_source(load_task("letters"), [entry], Sizes(9, None, 9))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (Sizes(19, 10, 5), "the train set of eurosat from .* has 20 examples, not 19"),
        (Sizes(20, 11, 5), r"validation set .* has 10 examples, not 11 .*validation_images\)"),
        (Sizes(20, 10, 6), "test set .* has 5 examples, not 6 .* Complete this copy or choose"),
    ],
)
def test_another_number_of_images_is_an_error(sizes, message, tmp_path):
    write_folder(tmp_path / "data", "eurosat", 20, 5, n_validation=10)
    entry = {"source": "folder", "root": str(tmp_path / "data")}
    with pytest.raises(UserError, match=message):
        locate_here(tmp_path / "eurosat.json", "eurosat", [entry], sizes)


def test_an_own_validation_set_counts_only_if_it_is_asked_for(tmp_path):
    write_folder(tmp_path / "data", "eurosat", 20, 5)
    entry = {"source": "folder", "root": str(tmp_path / "data")}
    data = locate_here(tmp_path / "eurosat.json", "eurosat", [entry], Sizes(20, None, 5))
    assert data.validation is None


def test_a_file_that_says_something_else_is_refused(tmp_path):
    write_json(tmp_path / "x.json", {"task": "svhn"})
    with pytest.raises(UserError, match="x.json does not say where a data set is: delete it"):
        read_located(tmp_path / "x.json")


def test_the_demo_worlds_images(tmp_path):
    entry = {"source": "demo", "seed": 5}
    data = locate_here(tmp_path / "shapes.json", "shapes", [entry], Sizes(30, None, 7))
    for rows, split, n in ((data.train, "train", 30), (data.test, "test", 7)):
        images, labels = render_task("shapes", split, n, 5)
        assert np.array_equal([rows[row] for row in range(n)], images)
        assert np.array_equal(rows.labels, labels)
    assert data.classes == load_task("shapes").classes
    with pytest.raises(UserError, match="demo shapes train.*Set .* `order` to `content`"):
        data.train.key(0)


def test_synthetic_images_are_determined_by_the_seed_and_all_different():
    data, again = synthetic("cars", 400, None, 12), synthetic("cars", 400, None, 12)
    images = [data.train[row] for row in range(400)] + [data.test[row] for row in range(12)]
    assert images[0].shape == (20, 30, 3) and images[0].dtype == np.uint8
    assert len({image.tobytes() for image in images}) == 412
    assert np.array_equal(again.train[17], images[17])
    other = synthetic("cars", 400, None, 12, seed=1)
    assert not np.array_equal(other.train[17], images[17])
    assert set(data.train.labels) == set(range(196)) and data.validation is None
    assert len(synthetic("cars", 3, 4, 5).validation) == 4


def test_synthetic_classes_can_be_learnt():
    # The class whose mean training image is nearest is right far more often than by chance.
    data = synthetic("gtsrb", 43 * 4, None, 86)
    train = np.stack([data.train[row] for row in range(43 * 4)]).reshape(43 * 4, -1) / 255
    means = np.stack([train[data.train.labels == label].mean(0) for label in range(43)])
    test = np.stack([data.test[row] for row in range(86)]).reshape(86, -1) / 255
    nearest = ((test[:, None] - means) ** 2).sum(-1).argmin(1)
    assert (nearest == data.test.labels).mean() > 0.9
