"""Splits: the protocol's validation cut, checks and hashes."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from tangent.datasets import SourceData, Split, cut_validation, load_split, prepare
from tangent.datasets.sources import load_source
from tangent.demo.world import render_task
from tangent.errors import UserError
from tangent.files import read_json
from tangent.tasks import Task, load_task

TASK = Task("toy", "", ("a", "b", "c"), ("a {}",))


def pictures(n: int, seed: int = 0, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, 8, 8, 3), dtype=np.uint8)
    return images, rng.integers(0, classes, n)


def toy(train: int = 20, test: int = 5, classes: int = 3) -> SourceData:
    return SourceData(pictures(train, 0), pictures(test, 1), classes)


def test_the_cut_is_the_protocols_for_mnist():
    train, validation = cut_validation(60_000, fraction=0.1, maximum=5000)
    assert train[0] == 36044  # what torch's random_split with a generator seeded 0 gives
    assert (len(train), len(validation)) == (55_000, 5000)
    assert sorted([*train, *validation]) == list(range(60_000))


def test_the_cut_takes_the_smaller_of_fraction_and_maximum():
    assert len(cut_validation(99, 0.1, 5000)[1]) == 9
    assert len(cut_validation(99, 0.1, 4)[1]) == 4


def test_the_cut_does_not_touch_the_global_generator():
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    cut_validation(100, 0.1, 5000)
    assert torch.equal(torch.rand(1), expected)


def test_a_cut_that_leaves_a_side_empty_is_refused():
    with pytest.raises(UserError, match="9 images gives 0 validation images"):
        cut_validation(9, 0.1, 5000)


def test_prepared_files_hold_the_sources_images(dataset):
    images, labels = render_task("shapes", "train", 80, 0)
    train, validation = cut_validation(80, 0.1, 5000)
    loaded = {name: load_split(dataset, name) for name in ("train", "validation", "test")}
    assert np.array_equal(loaded["train"].images, images[train])
    assert np.array_equal(loaded["validation"].labels, labels[validation])
    assert np.array_equal(loaded["test"].images, render_task("shapes", "test", 30, 0)[0])
    assert loaded["test"].classes == load_task("shapes").classes
    about = read_json(dataset / "dataset.json")
    assert about["task"] == "shapes" and about["source"]["source"] == "demo"
    for name, split in loaded.items():
        assert about["splits"][name] == {"n": len(split), "sha256": split.sha256()}


def test_the_hash_sees_content_and_not_order():
    images, labels = pictures(10)
    whole = Split("toy", "test", images, labels, TASK.classes)
    order = np.random.default_rng(0).permutation(10)
    assert Split("toy", "test", images[order], labels[order], TASK.classes).sha256() == (
        whole.sha256()
    )
    other_label = labels.copy()
    other_label[0] = (labels[0] + 1) % 3
    assert Split("toy", "test", images, other_label, TASK.classes).sha256() != whole.sha256()
    other_pixel = images.copy()
    other_pixel[3, 0, 0, 0] ^= 1
    assert Split("toy", "test", other_pixel, labels, TASK.classes).sha256() != whole.sha256()


def test_shared_images_are_counted_and_refused():
    source = toy()
    for index in range(2):
        source.test[0][index] = source.train[0][index]
    with pytest.raises(UserError, match="of the 5 test images are also (train|validation) images"):
        prepare(TASK, source, 0.1, 5000)


def test_duplicates_within_a_split_are_allowed():
    source = toy()
    source.test[0][0] = source.test[0][1]
    assert prepare(TASK, source, 0.1, 5000)[1]["test"]["n"] == 5


def test_another_number_of_classes_is_refused():
    with pytest.raises(UserError, match="the source has 4 classes, but the task names 3"):
        prepare(TASK, toy(classes=4), 0.1, 5000)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.full(20, 3)}, "labels go from 3 to 3, but the task has 3 classes"),
        ({"labels": np.zeros(20, np.int32)}, "labels must be int64"),
        ({"labels": np.zeros(19, np.int64)}, "20 images have 19 labels"),
        ({"images": np.zeros((20, 8, 8), np.uint8)}, "images must be uint8"),
        ({"images": np.zeros((20, 8, 8, 3), np.float32)}, "images must be uint8"),
    ],
)
def test_malformed_arrays_are_refused(change, message):
    images, labels = pictures(20)
    train = (change.get("images", images), change.get("labels", labels))
    with pytest.raises(UserError, match=message):
        prepare(TASK, SourceData(train, pictures(5, 1), 3), 0.1, 5000)


def test_an_empty_test_set_is_refused():
    source = SourceData(pictures(20), pictures(0, 1), 3)
    with pytest.raises(UserError, match="split test: there are no images"):
        prepare(TASK, source, 0.1, 5000)


def test_splits_of_different_sizes_are_refused():
    images, labels = pictures(5, 1)
    source = SourceData(pictures(20), (images[:, :4], labels), 3)
    with pytest.raises(UserError, match="decode both to one size"):
        prepare(TASK, source, 0.1, 5000)


def test_a_missing_split_is_named(dataset, tmp_path):
    with pytest.raises(UserError, match=r"train\.safetensors does not exist: the split 'train'"):
        load_split(tmp_path, "train")
    with pytest.raises(UserError, match="unknown split 'val'"):
        load_split(dataset, "val")


def test_a_truncated_split_is_named(dataset, tmp_path):
    content = (dataset / "test.safetensors").read_bytes()
    (tmp_path / "test.safetensors").write_bytes(content[:-100])
    with pytest.raises(UserError, match=r"test\.safetensors is not a complete safetensors file"):
        load_split(tmp_path, "test")


def test_a_renamed_split_is_noticed(dataset, tmp_path):
    (tmp_path / "test.safetensors").write_bytes((dataset / "train.safetensors").read_bytes())
    with pytest.raises(UserError, match="holds the split 'train'"):
        load_split(tmp_path, "test")


def test_unknown_tasks_and_options_are_answered(script, tmp_path):
    flags = {"validation_fraction": 0.1, "validation_maximum": 9, "output_dir": tmp_path}
    with pytest.raises(UserError, match="did you mean 'shapes'"):
        script("prepare_dataset", task="shape", source='{"source": "demo"}', **flags)
    with pytest.raises(UserError, match="not valid JSON"):
        script("prepare_dataset", task="shapes", source="{", **flags)
    with pytest.raises(UserError, match=r"datasets\.shapes: source 'demo' takes exactly the keys"):
        load_source("shapes", {"source": "demo", "images": 3})


def test_a_read_only_place_is_one_message(script, tmp_path):
    (tmp_path / "file").write_text("")
    entry = json.dumps({"source": "demo", "train_images": 20, "test_images": 5, "seed": 0})
    with pytest.raises(UserError, match="cannot write .*file/shapes/train.safetensors"):
        script(
            "prepare_dataset",
            task="shapes",
            source=entry,
            validation_fraction=0.1,
            validation_maximum=9,
            output_dir=tmp_path / "file" / "shapes",
        )


def test_reading_labels_and_heads_needs_no_torch(dataset, heads):
    """Steps that only look up tables must start fast."""
    program = f"""
import sys
from pathlib import Path
from tangent.datasets import load_split
from tangent.heads import load_head
from tangent.models import preprocess_config
load_split(Path({str(dataset)!r}), "test")
load_head(Path({str(heads / "shapes" / "head.safetensors")!r}))
sys.exit("torch" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
