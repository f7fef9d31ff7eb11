"""A data set prepared by the scripts: its files, and what is answered where one is wrong."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file

from tangent.data.preparation import cut_validation
from tangent.data.preprocess import check_geometry
from tangent.data.split import load_split
from tangent.demo.world import render_task
from tangent.jobs import provenance
from tangent.jobs.errors import UserError
from tangent.jobs.files import read_json
from tangent.tasks.task_files import load_task


def test_prepared_files_hold_the_sources_images(dataset):
    images, labels = render_task("shapes", "train", 80, 0)
    train, validation = cut_validation(80, 0.1, 5000)
    stored = {name: load_file(dataset / f"{name}.safetensors") for name in ("train", "test")}
    assert np.array_equal(stored["train"]["images"], images[train])
    assert np.array_equal(stored["test"]["images"], render_task("shapes", "test", 30, 0)[0])
    loaded = {name: load_split(dataset, name) for name in ("train", "validation", "test")}
    assert np.array_equal(loaded["validation"].labels, labels[validation])
    rows = np.array([5, 0, 5])
    assert np.array_equal(loaded["validation"].read(rows), images[validation][rows])
    assert loaded["test"].classes == load_task("shapes").classes
    about = read_json(dataset / "dataset.json")
    assert about["task"] == "shapes" and about["source"]["entry"]["source"] == "demo"
    for name, split in loaded.items():
        bytes_ = (dataset / f"{name}.safetensors").stat().st_size
        expected = {"n": len(split), "sha256": split.content, "bytes": bytes_}
        assert about["splits"][name] == expected


def test_images_stay_on_disk(dataset):
    """An open split has mapped its images, and looked at none."""
    for name in ("train", "test"):
        pixels = load_split(dataset, name).pixels
        while not isinstance(pixels, np.memmap):
            pixels = pixels.base
            assert pixels is not None
        assert not pixels.flags.writeable


def test_provenance_takes_a_splits_word_for_its_content(dataset):
    path = dataset / "test.safetensors"
    block = provenance.record([path, dataset / "dataset.json"], {}, "")
    content = read_json(dataset / "dataset.json")["splits"]["test"]["sha256"]
    assert block["inputs"][str(path)] == f"content:{content}"
    about = dataset / "dataset.json"
    assert block["inputs"][str(about)] == hashlib.sha256(about.read_bytes()).hexdigest()


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
    shutil.copy(dataset / "train.safetensors", tmp_path / "test.safetensors")
    with pytest.raises(UserError, match="is not the test split of a prepared data set"):
        load_split(tmp_path, "test")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": (224, 224)}, r"size \[32, 32\], but .* size \[224, 224\].*image_size"),
        ({"interpolation": "bilinear"}, "interpolation bicubic, but .* interpolation bilinear"),
        ({"resize_mode": "squash"}, "resize_mode shortest, but .* resize_mode squash"),
    ],
)
def test_images_for_another_model_are_refused(dataset, change, words):
    wanted = {"size": (32, 32), "interpolation": "bicubic", "resize_mode": "shortest", "mean": 0}
    prepared = load_split(dataset, "test").geometry
    check_geometry(prepared, wanted, "file")
    with pytest.raises(UserError, match=f"file was prepared with {words}"):
        check_geometry(prepared, wanted | change, "file")


def test_another_image_size_stops_a_training_before_it_starts(
    script, finetuning, preparation, tmp_path
):
    script("prepare_dataset", **preparation | {"image_size": 24, "output_dir": tmp_path / "24px"})
    with pytest.raises(UserError, match=r"train\.safetensors was prepared with size \[24, 24\]"):
        script("finetune", **finetuning | {"data_dir": tmp_path / "24px"})


def test_only_the_wanted_splits_are_prepared(script, preparation, dataset, tmp_path):
    script("prepare_dataset", **preparation, splits=["validation", "test"], output_dir=tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"validation.safetensors", "test.safetensors", "dataset.json"}
    for name in ("validation", "test"):
        file = f"{name}.safetensors"
        assert (tmp_path / file).read_bytes() == (dataset / file).read_bytes()


def test_threads_do_not_count(script, preparation, dataset, tmp_path):
    script("prepare_dataset", **preparation, threads=3, output_dir=tmp_path)
    for file in ("train.safetensors", "test.safetensors"):
        assert (tmp_path / file).read_bytes() == (dataset / file).read_bytes()
    assert "threads" not in read_json(tmp_path / "dataset.json")["provenance"]["settings"]


def test_an_unknown_task_is_answered(script, preparation, tmp_path):
    with pytest.raises(UserError, match="did you mean 'shapes'"):
        script("prepare_dataset", **preparation | {"task": "shape"}, output_dir=tmp_path)


def test_a_read_only_place_is_one_message(script, preparation, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write .*file/shapes/train.safetensors"):
        script("prepare_dataset", **preparation, output_dir=tmp_path / "file" / "shapes")


def test_reading_labels_and_heads_needs_no_torch(dataset, heads):
    """Steps that only look up tables must start fast."""
    program = f"""
import sys
from pathlib import Path
from tangent.data.split import load_split
from tangent.models.heads.stored import load_head
from tangent.models.families import preprocess_config
load_split(Path({str(dataset)!r}), "test")
load_head(Path({str(heads / "shapes" / "head.safetensors")!r}))
sys.exit("torch" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
