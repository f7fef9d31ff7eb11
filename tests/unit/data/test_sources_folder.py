"""Folder layouts: torchvision's own readers as the oracle, and what each layout refuses."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from locating import content, drawn, locate, locate_here
from PIL import Image
from scipy.io import loadmat, savemat
from small_copies import folder_names, pictures, write_class_folders, write_folder
from torchvision import datasets
from torchvision.datasets import VisionDataset
from torchvision.datasets.folder import default_loader

from tangent.data.sources.locating import locate as locate_source
from tangent.data.sources.source import FileRows, Sizes, SourceData
from tangent.jobs.errors import UserError
from tangent.tasks.task_files import load_task

N_TRAIN, N_VALIDATION, N_TEST = 60, 10, 9
SIZES = Sizes(N_TRAIN, None, N_TEST)
WITH_VALIDATION = Sizes(N_TRAIN, N_VALIDATION, N_TEST)


def from_folder(root: Path, task: str, sizes: Sizes = SIZES) -> SourceData:
    entry = {"source": "folder", "root": str(root)}
    return locate_here(root.parent / f"{task}.json", task, [entry], sizes)


def write(root: Path, task: str) -> Path:
    return write_folder(root, task, N_TRAIN, N_TEST, N_VALIDATION)


TORCHVISION: dict[str, Callable[[Path, str], VisionDataset]] = {
    "mnist": lambda root, split: datasets.MNIST(root, train=split == "train"),
    "gtsrb": datasets.GTSRB,
    "cars": datasets.StanfordCars,
    "sun397": lambda root, split: datasets.ImageFolder(
        root / "sun397" / {"test": "val"}.get(split, split), allow_empty=True
    ),
}


@pytest.mark.parametrize("task", TORCHVISION)
def test_rows_and_their_order_are_torchvisions(task, tmp_path):
    root = tmp_path / "data"
    write(root, task)
    for file in root.glob("MNIST/raw/*.gz"):  # torchvision reads unpacked files only
        file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))
        file.unlink()
    data = from_folder(root, task)
    for split in ("train", "test"):
        rows, reference = getattr(data, split), TORCHVISION[task](root, split)
        assert len(rows) == len(reference)
        for row, (image, label) in enumerate(reference):
            assert np.array_equal(rows[row], np.asarray(image.convert("RGB")))
            assert rows.labels[row] == label


def test_dtd_in_three_parts_is_the_same_data_set(tmp_path):
    train, test = pictures("dtd", "train", N_TRAIN), pictures("dtd", "test", N_TEST)
    for part, rows in {"train": train[:20], "val": train[20:], "test": test}.items():
        write_class_folders(tmp_path / "data" / "dtd" / part, folder_names("dtd"), rows)
    data = from_folder(tmp_path / "data", "dtd")
    assert content("dtd", data.train, data.classes) == drawn(train)
    assert content("dtd", data.test, data.classes) == drawn(test)


def test_imagenets_sorted_validation_folder_is_preferred(tmp_path):
    root = tmp_path / "data"
    folder = write(root, "imagenet")
    (folder / "val").rename(folder / "val_in_folder")
    (folder / "val").mkdir()
    (folder / "val" / "ILSVRC2012_val_00000001.JPEG").write_bytes(b"not sorted into classes")
    assert len(from_folder(root, "imagenet").test) == N_TEST


def test_eurosat_needs_its_validation_folder_only_where_the_study_does(tmp_path):
    shutil.rmtree(write(tmp_path / "data", "eurosat") / "val")
    message = "no EuroSAT_splits/val, but datasets.eurosat.validation_images says 10"
    with pytest.raises(UserError, match=message):
        from_folder(tmp_path / "data", "eurosat", WITH_VALIDATION)
    assert from_folder(tmp_path / "data", "eurosat").validation is None


def test_hidden_files_and_annotations_are_no_images(tmp_path):
    folder = write(tmp_path / "data", "eurosat")
    (folder / "train" / ".ipynb_checkpoints").mkdir()
    (folder / "train" / "Forest" / "._Forest_1.jpg").write_bytes(b"")
    (folder / "train" / "Forest" / "Thumbs.db").write_bytes(b"")
    data = from_folder(tmp_path / "data", "eurosat", WITH_VALIDATION)
    assert len(data.classes) == 10 and len(data.validation) == 10


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("L", "png"), ("P", "gif"), ("RGBA", "png"), ("LA", "png"), ("CMYK", "jpg"), ("1", "png")],
)
def test_every_kind_of_picture_becomes_rgb_as_torchvision_does_it(mode, suffix, rng, tmp_path):
    file = tmp_path / f"picture.{suffix}"
    picture = Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8))
    if mode in ("RGBA", "LA"):
        picture.putalpha(Image.fromarray(rng.integers(0, 256, (20, 30), dtype=np.uint8)))
    picture.convert(mode).save(file)
    rows = FileRows([str(file)], [0])
    assert np.array_equal(rows[0], np.asarray(default_loader(file)))


def test_exif_rotation_is_not_applied(tmp_path):
    folder = write(tmp_path / "data", "eurosat")
    turned = Image.fromarray(np.arange(40 * 64 * 3, dtype=np.uint8).reshape(40, 64, 3))
    exif = turned.getexif()
    exif[0x0112] = 6  # by a quarter
    turned.save(folder / "test" / "AnnualCrop" / "AnnualCrop_601.jpg", exif=exif)
    data = from_folder(tmp_path / "data", "eurosat", WITH_VALIDATION)
    assert data.test[0].shape == (40, 64, 3)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def change_mat(file: Path, **variables) -> None:
    kept = {name: value for name, value in loadmat(file).items() if name[0] != "_"}
    savemat(file, kept | variables)


def change_class(file: Path, value: object) -> None:
    annotations = loadmat(file)["annotations"]
    annotations["class"][0, 3] = value
    savemat(file, {"annotations": annotations})


def rename_column(file: Path) -> None:
    file.write_text(file.read_text().replace("ClassId", "Class"))


# Task, what is done to its folder, what the error says. All are found without decoding an image.
BROKEN = {
    "split folder missing": (
        "sun397",
        lambda folder: shutil.rmtree(folder / "val"),
        "only a part of the data set.*missing: sun397/val",
    ),
    "class folder missing": (
        "dtd",
        lambda folder: shutil.rmtree(folder / "val" / "banded"),
        "dtd/val lacks class folders that .*dtd/train has: banded",
    ),
    "a class folder too many": (
        "dtd",
        lambda folder: (folder / "val" / "new").mkdir(),
        "dtd/train lacks class folders that .*dtd/val has: new",
    ),
    "no class folders": (
        "eurosat",
        lambda folder: [shutil.rmtree(path) for path in (folder / "train").iterdir()],
        "EuroSAT_splits/train holds no class folders",
    ),
    "a file in place of a folder": (
        "dtd",
        lambda folder: (shutil.rmtree(folder / "train"), (folder / "train").touch()),
        "dtd/train is not a folder",
    ),
    "list missing": (
        "resisc45",
        lambda folder: (folder / "resisc45-test.txt").unlink(),
        "missing: resisc45/resisc45-test.txt",
    ),
    "list names a missing image": (
        "resisc45",
        lambda folder: (folder / "NWPU-RESISC45" / "airport" / "airport_001.jpg").unlink(),
        "resisc45-train.txt names 1 images that are not in .*airport, such as airport_001.jpg",
    ),
    "list names a missing class": (
        "resisc45",
        lambda folder: shutil.rmtree(folder / "NWPU-RESISC45" / "beach"),
        "names the class beach, but .*beach is missing",
    ),
    "binary list": (
        "resisc45",
        lambda folder: (folder / "resisc45-train.txt").write_bytes(b"\xff\xfe\x00"),
        "resisc45-train.txt cannot be read",
    ),
    "annotation names a missing image": (
        "cars",
        lambda folder: (folder / "cars_train" / "00007.jpg").unlink(),
        "cars_train_annos.mat names 1 images that are not in .*cars_train, such as 00007.jpg",
    ),
    "annotations without classes": (
        "cars",
        lambda folder: shutil.copy(
            folder / "devkit" / "cars_test_annos.mat", folder / "cars_test_annos_withlabels.mat"
        ),
        "annotations must have the fields fname and class; they have bbox_x1",
    ),
    "annotations of other classes": (
        "cars",
        lambda folder: savemat(
            folder / "devkit" / "cars_meta.mat", {"class_names": np.array(["a", "b"], object)}
        ),
        "classes go from 1 to 60, not from 1 to 2 as in cars_meta.mat",
    ),
    "an image without its class": (
        "cars",
        lambda folder: change_class(folder / "devkit" / "cars_train_annos.mat", np.zeros((0, 0))),
        "cars_train_annos.mat: not every class is a number",
    ),
    "no annotations": (
        "cars",
        lambda folder: savemat(
            folder / "cars_test_annos_withlabels.mat",
            {"annotations": np.empty((1, 0), [("class", object), ("fname", object)])},
        ),
        "the test set of cars from .* has 0 examples, not 9",
    ),
    "corrupt annotations": (
        "cars",
        lambda folder: cut(folder / "devkit" / "cars_train_annos.mat"),
        "cars_train_annos.mat cannot be read as a .mat file",
    ),
    "corrupt .mat": (
        "svhn",
        lambda folder: cut(folder / "train_32x32.mat"),
        "train_32x32.mat cannot be read as a .mat file .* damaged or incomplete",
    ),
    "another .mat": (
        "svhn",
        lambda folder: savemat(folder / "test_32x32.mat", {"digitStruct": np.zeros(3)}),
        "test_32x32.mat has no variable 'X'; it has digitStruct",
    ),
    "fewer labels than images": (
        "svhn",
        lambda folder: change_mat(folder / "test_32x32.mat", y=np.ones((3, 1), np.uint8)),
        r"X must be uint8 \[height, width, 3, n\] for the 3 labels",
    ),
    "labels from 0": (
        "svhn",
        lambda folder: change_mat(folder / "test_32x32.mat", y=np.zeros((9, 1), np.uint8)),
        "labels must be 1 to 10",
    ),
    "truncated idx": (
        "mnist",
        lambda folder: cut(folder / "t10k-images-idx3-ubyte"),
        "t10k-images-idx3-ubyte is no complete idx file of 3-dimensional bytes",
    ),
    "truncated idx.gz": (
        "mnist",
        lambda folder: cut(folder / "train-labels-idx1-ubyte.gz"),
        "train-labels-idx1-ubyte.gz cannot be unpacked",
    ),
    "labels in place of images": (
        "mnist",
        lambda folder: shutil.copy(
            folder / "t10k-labels-idx1-ubyte", folder / "t10k-images-idx3-ubyte"
        ),
        "t10k-images-idx3-ubyte is no complete idx file",
    ),
    "csv without its columns": (
        "gtsrb",
        lambda folder: rename_column(folder / "GT-final_test.csv"),
        "GT-final_test.csv must have the columns Filename and ClassId .* it has Filename, Width",
    ),
    "csv with a cut line": (
        "gtsrb",
        lambda folder: (folder / "GT-final_test.csv").open("a").write("00009.ppm;30;30"),
        "GT-final_test.csv, line 11 has no ClassId",
    ),
    "csv with a class that is no number": (
        "gtsrb",
        lambda folder: (folder / "GT-final_test.csv").open("a").write("9.ppm;1;1;1;1;1;1;²\n"),
        "GT-final_test.csv, line 11: a class number is needed",
    ),
    "a folder in place of the csv": (
        "gtsrb",
        lambda folder: (
            (folder / "GT-final_test.csv").unlink(),
            (folder / "GT-final_test.csv").mkdir(),
        ),
        "GT-final_test.csv cannot be read",
    ),
    "csv names a missing image": (
        "gtsrb",
        lambda folder: (folder / "GTSRB" / "Final_Test" / "Images" / "00003.ppm").unlink(),
        "GT-final_test.csv names 1 images that are not in .*, such as 00003.ppm",
    ),
    "class of test images missing in train": (
        "gtsrb",
        lambda folder: shutil.rmtree(folder / "GTSRB" / "Training" / "00005"),
        "has test images of class 5, but .*Training/00005 is missing",
    ),
    "an image too few": (
        "eurosat",
        lambda folder: (folder / "train" / "Forest" / "Forest_1.jpg").unlink(),
        r"the train set of eurosat .* has 59 examples, not 60 \(datasets.eurosat.train_images\)",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_wrong_copy_is_refused_by_name(case, tmp_path):
    task, damage, message = BROKEN[case]
    damage(write(tmp_path / "data", task))
    with pytest.raises(UserError, match=message):
        from_folder(tmp_path / "data", task)


@pytest.mark.parametrize("kind", ["truncated", "empty", "no image", "gone"])
def test_an_unreadable_image_is_named_when_it_is_decoded(kind, tmp_path):
    folder = write(tmp_path / "data", "dtd")
    file = folder / "train" / "banded" / "banded_0001.jpg"
    data = from_folder(tmp_path / "data", "dtd")
    if kind == "truncated":
        cut(file)
    elif kind == "gone":
        file.unlink()
    else:
        file.write_bytes(b"" if kind == "empty" else b"<html>404</html>")
    reason = r"no complete image \(no known image format\)" if kind == "no image" else ""
    with pytest.raises(UserError, match=rf"{file}.*{reason}.*restore this file"):
        data.train[data.train.paths.index(str(file))]
    assert data.train[1].ndim == 3  # others are not concerned


def test_the_script_answers_in_one_message_and_leaves_nothing(tmp_path):
    shutil.rmtree(write(tmp_path / "data", "eurosat") / "test")
    entry = {"source": "folder", "root": str(tmp_path / "data")}
    output = tmp_path / "sources" / "eurosat.json"
    said = locate(output, "eurosat", [entry], SIZES, fails=True)
    assert said.startswith("error: ") and said.count("\n") == 1
    assert "missing: EuroSAT_splits/test" in said and not output.parent.exists()


def test_a_task_without_a_layout_is_refused(tmp_path):
    with pytest.raises(UserError, match="the task letters has no folder layout"):
        locate_source(load_task("letters"), [{"source": "folder", "root": "x"}], Sizes(9, None, 9))
