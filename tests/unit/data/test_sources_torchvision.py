"""The torchvision source: its downloads and checks, its own items as the oracle."""

from __future__ import annotations

import functools
import gzip
import hashlib
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from locating import content, drawn, locate_here
from small_copies import folder_names, pictures, write_class_folders, write_folder
from torchvision import datasets

from tangent.data.sources.source import Sizes, SourceData
from tangent.jobs.errors import UserError
from tangent.tasks.task_files import load_task

N_TRAIN, N_TEST = 60, 9


def from_torchvision(
    root: Path, task: str, download: bool = False, train: int = N_TRAIN, test: int = N_TEST
) -> SourceData:
    entry = {"source": "torchvision", "root": str(root), "download": download}
    return locate_here(root.parent / f"{task}.json", task, [entry], Sizes(train, None, test))


def md5(file: Path) -> str:
    return hashlib.md5(file.read_bytes()).hexdigest()


def unpack(folder: Path) -> None:
    for file in folder.glob("*.gz"):
        file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))
        file.unlink()


@pytest.fixture
def svhn(tmp_path, monkeypatch) -> Path:
    """SVHN where torchvision looks for it, with the small files' MD5 sums as the known ones."""
    folder = write_folder(tmp_path / "data", "svhn", N_TRAIN, N_TEST)
    known = {
        split: ["", f"{split}_32x32.mat", md5(folder / f"{split}_32x32.mat")]
        for split in ("train", "test")
    }
    monkeypatch.setattr(datasets.SVHN, "split_list", known)
    return folder


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A server with MNIST's four files, which torchvision takes for the mirror that it knows."""
    folder = write_folder(tmp_path / "source", "mnist", N_TRAIN, N_TEST)
    for file in folder.glob("t10k-*-ubyte"):
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    files = [(name, md5(folder / name)) for name, _ in datasets.MNIST.resources]
    handler = functools.partial(_Quiet, directory=folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setattr(datasets.MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
    monkeypatch.setattr(datasets.MNIST, "resources", files)
    yield folder
    server.shutdown()
    thread.join()
    server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None: ...


@pytest.mark.parametrize("task", ["cars", "gtsrb", "mnist"])
def test_layouts_that_the_folder_source_shares(task, tmp_path):
    n = max(N_TRAIN, len(load_task(task).classes))
    folder = write_folder(tmp_path / "data", task, n, N_TEST)
    unpack(folder)
    data = from_torchvision(tmp_path / "data", task, train=n)
    assert content(task, data.train, data.classes) == drawn(pictures(task, "train", n))
    assert content(task, data.test, data.classes) == drawn(pictures(task, "test", N_TEST))


def test_an_error_without_a_message_is_named_by_its_type(tmp_path):
    folder = write_folder(tmp_path / "data", "mnist", N_TRAIN, N_TEST)
    unpack(folder)
    (folder / "train-images-idx3-ubyte").write_bytes(bytes(100))
    with pytest.raises(UserError, match=r"mnist below .* is damaged .*\(.*MNIST: AssertionError\)"):
        from_torchvision(tmp_path / "data", "mnist")


def test_svhn_is_below_a_folder_of_its_name(svhn, tmp_path):
    data = from_torchvision(tmp_path / "data", "svhn")
    reference = datasets.SVHN(svhn, "test")
    for row, (image, label) in enumerate(reference):
        assert np.array_equal(data.test[row], np.asarray(image)) and data.test.labels[row] == label
    assert content("svhn", data.train, data.classes) == drawn(pictures("svhn", "train", N_TRAIN))


def test_a_file_with_another_md5_sum_is_refused(svhn, tmp_path):
    (svhn / "train_32x32.mat").write_bytes(b"0" * 100)
    with pytest.raises(UserError, match="svhn below .*data is damaged or incomplete .*SVHN"):
        from_torchvision(tmp_path / "data", "svhn")


def test_dtd_trains_on_two_parts_of_partition_1(tmp_path):
    names = folder_names("dtd")
    folder = tmp_path / "data" / "dtd" / "dtd"
    (folder / "labels").mkdir(parents=True)
    parts = dict(zip(("train", "val", "test"), np.array_split(range(141), 3), strict=True))
    all_pictures = pictures("dtd", "train", 141)
    write_class_folders(folder / "images", names, all_pictures)
    for part, rows in parts.items():
        lines = [f"{names[all_pictures[row].label]}/{all_pictures[row].name}\n" for row in rows]
        (folder / "labels" / f"{part}1.txt").write_text("".join(lines))
        (folder / "labels" / f"{part}2.txt").write_text("banded/none.jpg\n")
    data = from_torchvision(tmp_path / "data", "dtd", train=94, test=47)
    references = [datasets.DTD(tmp_path / "data", part, partition=1) for part in parts]
    expected = [item for reference in references for item in reference]
    for rows, items in ((data.train, expected[:94]), (data.test, expected[94:])):
        for row, (image, label) in enumerate(items):
            assert np.array_equal(rows[row], np.asarray(image)) and rows.labels[row] == label
    (folder / "labels" / "val1.txt").write_text("banded_0001.jpg\n")
    with pytest.raises(UserError, match="dtd below .*data is damaged or incomplete"):
        from_torchvision(tmp_path / "data", "dtd", train=94, test=47)


def test_imagenet_that_torchvision_has_unpacked(tmp_path):
    wnids = folder_names("imagenet")[:3]
    folder = tmp_path / "data" / "imagenet"
    splits = {split: pictures("imagenet", split, 3) for split in ("train", "test")}
    for split, name in (("train", "train"), ("test", "val")):
        write_class_folders(folder / name, wnids, splits[split])
    with pytest.raises(UserError, match="imagenet below .*data is damaged or incomplete .*devkit"):
        from_torchvision(tmp_path / "data", "imagenet", train=3, test=3)
    torch.save(({wnid: (wnid,) for wnid in wnids}, []), folder / "meta.bin")
    data = from_torchvision(tmp_path / "data", "imagenet", train=3, test=3)
    assert data.classes == tuple(wnids) and data.test.labels.tolist() == [0, 1, 2]
    assert np.array_equal(data.train[2], splits["train"][2].pixels)


def test_mnist_is_downloaded_once_and_then_found_by_the_folder_source(mirror, tmp_path):
    data = from_torchvision(tmp_path / "data", "mnist", download=True)
    assert content("mnist", data.train, data.classes) == drawn(pictures("mnist", "train", N_TRAIN))
    for file in mirror.iterdir():
        file.unlink()
    assert len(from_torchvision(tmp_path / "data", "mnist", download=True).test) == N_TEST
    entry = {"source": "folder", "root": str(tmp_path / "data")}
    data = locate_here(tmp_path / "again.json", "mnist", [entry], Sizes(N_TRAIN, None, N_TEST))
    assert len(data.train) == N_TRAIN


def test_a_damaged_download_is_refused(mirror, tmp_path):
    file = mirror / "train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(UserError, match="mnist below .* is damaged or incomplete .*MNIST"):
        from_torchvision(tmp_path / "data", "mnist", download=True)


@pytest.mark.parametrize(
    ("task", "download", "message"),
    [
        ("mnist", False, "Dataset not found.*Set download to true"),
        ("mnist", True, "Error downloading.*Check the network"),
        ("cars", True, "torchvision cannot download it any more: put it below"),
        ("imagenet", True, "Put ILSVRC2012_devkit_t12.tar.gz, ILSVRC2012_img_train.tar and"),
    ],
)
def test_what_is_not_there_is_absent(task, download, message, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(UserError, match=rf"{task} is in none of its sources:\n- .*{message}"):
        from_torchvision(tmp_path / "data", task, download)


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ("eurosat", "27,000 images and no splits"),
        ("sun397", "108,754 images and no splits"),
        ("resisc45", "torchvision has no RESISC45"),
        ("letters", "torchvision has no letters"),
    ],
)
def test_tasks_without_the_protocols_splits_are_refused(task, reason, tmp_path):
    with pytest.raises(UserError, match=f"cannot serve this task: .*{reason}.*hub or folder"):
        from_torchvision(tmp_path / "data", task, download=True)
