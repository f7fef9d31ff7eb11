"""What a user may get wrong ends in one message that names the file."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tangent.jobs.errors import UserError


@pytest.fixture
def damaged(study, tmp_path):
    """A copy of the study that a test may damage."""
    shutil.copytree(study.root, tmp_path / "study")
    return dataclasses.replace(study, root=tmp_path / "study")


def single_task(study, mode: str) -> None:
    flags = ("--task", "red", "--output", study.root / "again.json")
    study.evaluate("single_task", mode, *flags, vectors=("red",))


BOTH = pytest.mark.parametrize("mode", ["standard", "linear"])


@BOTH
def test_a_head_of_other_classes(damaged, mode):
    heads = damaged.root / "heads"
    shutil.copy(heads / "blue" / "head.safetensors", heads / "red" / "head.safetensors")
    message = r"red.head\.safetensors is a head of 2 classes, .*red.validation\.safetensors holds 3"
    with pytest.raises(UserError, match=message):
        single_task(damaged, mode)


@BOTH
@pytest.mark.parametrize("file", ["datasets/red/test", "heads/red/head", "features/red/test"])
def test_a_missing_file(damaged, mode, file):
    if mode == "standard" and file == "features/red/test":
        file = "task_vectors/red"
    path = (damaged.root / file).with_suffix(".safetensors")
    path.unlink()
    with pytest.raises(UserError, match=f"{Path(file).name}.safetensors does not exist"):
        single_task(damaged, mode)


@BOTH
def test_a_truncated_file(damaged, mode):
    file = "task_vectors/red" if mode == "standard" else "products/red/validation"
    path = (damaged.root / file).with_suffix(".safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    message = rf"{path.name} is not a complete safetensors file.*delete it"
    with pytest.raises(UserError, match=message):
        single_task(damaged, mode)


def test_products_that_lack_a_task_vector(damaged):
    path = damaged.root / "products" / "red" / "test.safetensors"
    save_file({"blue": load_file(path)["blue"]}, path)
    with pytest.raises(
        UserError, match=r"red.test\.safetensors holds nothing for 'red', only blue"
    ):
        single_task(damaged, "linear")


def test_features_that_are_not_numbers(damaged):
    path = damaged.root / "features" / "red" / "validation.safetensors"
    tables = load_file(path)
    tables["features"][3] = np.nan
    save_file(tables, path)
    with pytest.raises(UserError, match="red, split validation: some features are not finite"):
        single_task(damaged, "linear")


def test_features_of_other_images(damaged):
    for folder in ("features", "products"):
        path = damaged.root / folder / "red" / "test.safetensors"
        save_file({name: table[:-1].copy() for name, table in load_file(path).items()}, path)
    with pytest.raises(UserError, match="red, split test: 49 features and 50 labels"):
        single_task(damaged, "linear")
