"""Splits: the protocol's validation cut, row orders, checks, digests, memory."""

from __future__ import annotations

import hashlib
import logging
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from toy_data import TASK, Pictures, encoded, pictures

from tangent.data.preparation import cut_validation
from tangent.data.sources.source import ArrayRows
from tangent.data.split import load_split
from tangent.jobs.errors import UserError

SPLITS = ("train", "validation", "test")


def row_digest(rows: Pictures, row: int) -> bytes:
    """The digest of a row, as the contract between sites has it."""
    pixels = np.asarray(rows.open(row).convert("RGB"))
    height, width, _ = pixels.shape
    label = int(rows.labels[row]).to_bytes(8, "little")
    return hashlib.sha256(f"{height}x{width}x3:".encode() + pixels.tobytes() + label).digest()


def sizes(rng, n: int) -> list[tuple[int, int]]:
    return [tuple(pair) for pair in rng.integers(5, 40, (n, 2)).tolist()]


@pytest.fixture
def data(rng) -> dict[str, Pictures]:
    """A training and a test set of pictures of many sizes."""
    return {"train": pictures(rng, sizes(rng, 30)), "test": pictures(rng, sizes(rng, 9))}


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


def test_rows_are_sorted_by_content_before_the_cut(data, prepared):
    folder, about = prepared(**data, order="content")
    assert about["order"] == "content" and about["validation"] == "cut from train"
    by_digest = sorted(row_digest(data["train"], row) for row in range(30))
    cut = dict(zip(SPLITS, cut_validation(30, 0.2, 5000), strict=False))
    for name, positions in cut.items():
        split = load_split(folder, name)
        expected = [by_digest[position] for position in positions]
        assert [row.tobytes() for row in split.hashes] == expected
        content = hashlib.sha256(b"".join(sorted(expected))).hexdigest()
        assert split.content == about["splits"][name]["sha256"] == content
    test = [row.tobytes() for row in load_split(folder, "test").hashes]
    assert test == sorted(row_digest(data["test"], row) for row in range(9))


def test_content_order_gives_the_same_bytes_from_every_copy(data, prepared, rng):
    """Other row orders, other label numbers, other files of the same pixels."""
    first, about = prepared(**data)
    renumbered = {}
    for name, rows in data.items():
        other = rows.take(rng.permutation(len(rows)))
        other.files = [encoded(other.open(row), "bmp") for row in range(len(other))]
        other.labels = np.array([1, 2, 0])[other.labels]
        renumbered[name] = other
    second, again = prepared(**renumbered, folder="again", classes=("c", "a", "b"))
    assert again == about
    for name in SPLITS:
        file = f"{name}.safetensors"
        assert (first / file).read_bytes() == (second / file).read_bytes()
    swapped, _ = prepared(**renumbered, folder="swapped", order="source")
    assert load_split(swapped, "train").content != load_split(first, "train").content


def test_order_by_name_needs_no_pixels_of_training_images(data, prepared, rng):
    train = data["train"]
    train.keys = [f"n{number:04}" for number in rng.permutation(30)]
    data["test"].keys = [f"test {row}" for row in range(9)]
    folder, about = prepared(**data, order="name", splits=("validation", "test"))
    by_name = np.argsort(train.keys)
    rows = by_name[cut_validation(30, 0.2, 5000)[1]]
    assert set(about["splits"]) == {"validation", "test"}
    assert not (folder / "train.safetensors").exists()
    assert sorted(train.decoded) == sorted([*rows, *rows])
    hashes = [row.tobytes() for row in load_split(folder, "validation").hashes]
    assert hashes == [row_digest(train, row) for row in rows]


def test_rows_without_names_cannot_be_sorted_by_them(rng, prepared):
    rows = [ArrayRows(rng.integers(0, 256, (n, 8, 8, 3), np.uint8), np.arange(n) % 3, "x")
            for n in (20, 5)]  # fmt: skip
    with pytest.raises(UserError, match="name"):
        prepared(*rows, order="name")


def test_a_validation_split_of_its_own_is_taken_whole(data, prepared, rng):
    validation = pictures(rng, sizes(rng, 7))
    folder, about = prepared(**data, validation=validation, has_validation=True)
    assert about["validation"] == "the source's own"
    digests = {row_digest(validation, row) for row in range(7)}
    assert {row.tobytes() for row in load_split(folder, "validation").hashes} == digests
    assert len(load_split(folder, "train")) == 30


def test_a_copy_that_lacks_its_validation_split_gets_one_and_says_so(data, prepared, caplog):
    logger = logging.getLogger("tangent")
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO, "tangent"):
        folder, about = prepared(**data, has_validation=True)
    logger.removeHandler(caplog.handler)
    assert about["validation"] == "cut from train: this copy has none of its own"
    assert "has no validation split" in caplog.text
    assert len(load_split(folder, "validation")) == 6


def test_labels_without_class_names_are_taken_as_they_are_and_recorded(data, prepared):
    assert prepared(**data)[1]["classes_checked"] is True
    folder, about = prepared(**data, classes=None, folder="unchecked")
    assert about["classes_checked"] is False
    assert sorted(load_split(folder, "test").labels) == sorted(data["test"].labels)


def test_a_split_that_does_not_exist_is_refused(data, prepared):
    with pytest.raises(UserError, match="unknown split 'trian': the splits are train, validation"):
        prepared(**data, splits=("trian", "test"))
    assert data["test"].decoded == []


def test_class_names_that_are_not_the_tasks_are_refused(data, prepared):
    with pytest.raises(UserError, match="toy.*'d'"):
        prepared(**data, classes=("a", "b", "d"))


@pytest.mark.parametrize("classes", [TASK.classes, None])
def test_labels_beyond_the_classes_are_refused(data, prepared, classes):
    data["test"].labels = data["test"].labels + 1
    with pytest.raises(UserError, match="test: labels go from 1 to 3, but there are 3"):
        prepared(**data, classes=classes)


def test_a_class_without_training_images_is_named(data, prepared):
    data["train"].labels = np.minimum(data["train"].labels, 1)
    with pytest.raises(UserError, match="no training image is of class 'c'"):
        prepared(**data)
    assert prepared(**data, splits=("validation", "test"))  # a control task trains nothing


def test_shared_images_are_counted_and_refused(data, prepared):
    for row in range(2):
        data["test"].files[row] = data["train"].files[row]
    with pytest.raises(UserError, match="of the 9 test images are also (train|validation) images"):
        prepared(**data)


def test_a_user_who_knows_of_shared_images_accepts_them(data, prepared, caplog):
    for row in range(2):
        data["test"].files[row] = data["train"].files[row]
    with pytest.raises(UserError, match=r"accept it by `datasets\.toy\.duplicates: warn`"):
        prepared(**data)
    logger = logging.getLogger("tangent")
    logger.addHandler(caplog.handler)
    folder, about = prepared(**data, duplicates="warn")
    logger.removeHandler(caplog.handler)
    assert about["shared"]["train, test"] + about["shared"]["validation, test"] == 2
    warned = r"are also (train|validation) images, so accuracies may be too high"
    assert re.search(warned, caplog.text)  # the validation split is cut from the two as well
    assert len(load_split(folder, "test")) == 9


def test_an_image_is_shared_whatever_its_label_and_file(data, prepared):
    data["test"].files[0] = encoded(data["train"].open(0), "bmp")
    data["test"].labels[0] = (data["train"].labels[0] + 1) % 3
    with pytest.raises(UserError, match="1 of the 9 test images"):
        prepared(**data)


def test_the_odd_duplicate_of_an_official_data_set_is_recorded(prepared, rng):
    train, test = pictures(rng, [(4, 4)] * 30), pictures(rng, [(4, 4)] * 200)
    test.files[0] = train.files[0]
    _, about = prepared(train, test)
    shared = about["shared"]
    assert shared["train, test"] + shared["validation, test"] == 1
    test.files[1:4] = train.files[1:4]  # two of them are in one split
    with pytest.raises(UserError, match=r"\d of the 200 test images"):
        prepared(train, test, folder="two")


def test_twins_within_a_training_set_are_recorded_wherever_the_cut_puts_them(prepared, rng):
    train, test = pictures(rng, [(4, 4)] * 30), pictures(rng, [(4, 4)] * 9)
    train.files[15:] = train.files[:15]
    _, about = prepared(train, test)
    held_out = set(cut_validation(30, 0.2, 5000)[1].tolist())
    # Sorted by content, twins are neighbours.
    expected = sum(row ^ 1 not in held_out for row in held_out)
    assert expected > 1 and about["shared"]["train, validation"] == expected


def test_duplicates_within_a_split_are_allowed(data, prepared):
    data["test"].files[0] = data["test"].files[1]
    assert prepared(**data)[1]["splits"]["test"]["n"] == 9


def test_a_bad_image_ends_it_and_leaves_nothing(data, prepared, tmp_path):
    class Bad(Pictures):
        def __getitem__(self, row: int) -> np.ndarray:
            if row == 17:
                raise UserError(f"{self.name(row)} is truncated")
            return super().__getitem__(row)

    bad = Bad(data["train"].files, data["train"].labels)
    with pytest.raises(UserError, match="picture 17 is truncated"):
        prepared(bad, data["test"])
    assert not list(tmp_path.iterdir())


def test_an_error_stops_the_other_threads(prepared, rng):
    train = pictures(rng, [(4, 4)] * 600)
    train.files[5] = b""  # Pillow refuses it
    with pytest.raises(Exception, match="cannot identify"):
        prepared(train, pictures(rng, [(4, 4)] * 3))
    assert len(train.decoded) < 300


def test_the_digest_sees_content_and_not_order(data, prepared):
    def content(folder: str) -> str:
        return prepared(**data, folder=folder, order="source")[1]["splits"]["test"]["sha256"]

    first = content("first")
    test = data["test"]
    data["test"] = test.take(range(8, -1, -1))
    assert content("reversed") == first
    data["test"].labels[0] = (data["test"].labels[0] + 1) % 3
    assert content("label") != first
    pixels = np.array(test.open(3))
    pixels[0, 0, 0] ^= 1
    data["test"] = test.take(range(9))
    data["test"].files[3] = encoded(Image.fromarray(pixels))
    assert content("pixel") != first


MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from tangent.data.output import ImageForm
from tangent.data.preparation import Recipe, prepare
from tangent.data.sources.source import SourceData
from tangent.tasks.task_files import Task

class Rows:
    def __init__(self, n, seed):
        self.labels, self.seed = np.arange(n) % 2, seed
    def __len__(self):
        return len(self.labels)
    def __getitem__(self, row):
        tile = np.random.default_rng([self.seed, row]).integers(0, 256, (9, 9, 3), np.uint8)
        return np.tile(tile, (15, 15, 1))

def run(train, test):
    source = SourceData(Rows(train, 0), None, Rows(test, 1), None)
    prepare(Task("toy", "", ("a", "b"), ("{}",)), source, Recipe(ImageForm(112)), Path(sys.argv[1]))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

print(-run(30, 10) + run(1800, 900))
"""


def test_memory_holds_no_split(tmp_path):
    """While files of more than 100 MB are written, memory grows by less than a tenth of that."""
    command = [sys.executable, "-c", MEMORY, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    size = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert size > 100e6 and 1024 * int(done.stdout) < 0.1 * size


def test_what_a_killed_run_left_is_removed(data, prepared, tmp_path):
    remains = tmp_path / "toy" / ".train.safetensors.abcd1234.tangent.tmp"
    remains.mkdir(parents=True)
    (remains / "train.safetensors").write_bytes(b"half")
    folder, _ = prepared(**data)
    assert {path.name for path in folder.iterdir()} == {f"{name}.safetensors" for name in SPLITS}


def test_a_control_task_with_its_own_validation_split_decodes_no_training_image(
    data, prepared, rng
):
    splits = ("validation", "test")
    prepared(**data, validation=pictures(rng, sizes(rng, 7)), splits=splits)
    assert data["train"].decoded == []
