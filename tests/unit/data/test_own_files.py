"""Data of the user's own at any places, with or without a task file."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from snakemake.utils import update_config
from workspace import ROOT

from scripts import cli, locate_dataset, prepare_dataset
from tangent.config.load import load_config
from tangent.data.sources.locating import open_source, read_located
from tangent.data.sources.source import Sizes
from tangent.data.split import load_split
from tangent.jobs.errors import UserError
from tangent.tasks.task_files import described_task

CLASSES = ("cat", "wild_dog")
COUNTS = {"train": 12, "validation": 4, "test": 5}


def picture(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (9, 7, 3), np.uint8)


def folders(root: Path, counts: dict[str, int]) -> tuple[dict, list[tuple[str, str, Path]]]:
    """Class folders, the entry of a configuration, and of each image split, class and file."""
    written = []
    for split, count in counts.items():
        for number in range(count):
            name = CLASSES[number % 2]
            file = root / split / name / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture(len(written))).save(file)
            written.append((split, name, file))
    entry = {split: str(root / split) for split in counts}
    return {"source": "class_folders", **entry}, written


def tables(root: Path, counts: dict[str, int], header: tuple[str, str] = ("path", "label")) -> dict:
    """The same images in tables whose paths are relative to them."""
    _, written = folders(root / "images", counts)
    for split in counts:
        with open(root / f"{split}.csv", "w", newline="") as file:
            rows = [(path, name) for of, name, path in written if of == split]
            csv.writer(file).writerows(
                [header, *((os.path.relpath(path, root), name) for path, name in rows)]
            )
    return {"source": "csv", **{split: str(root / f"{split}.csv") for split in counts}}


def lines(root: Path, counts: dict[str, int]) -> dict:
    for split, count in counts.items():
        rows = [{"text": f"{split} {n}", "label": CLASSES[n % 2]} for n in range(count)]
        (root / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return {"source": "json_lines", **{split: str(root / f"{split}.jsonl") for split in counts}}


def study(entry: dict, name: str = "pets", **dataset: object) -> dict:
    """The demo with one task more, of texts if the entry's are."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    if entry["source"] == "json_lines":
        overlay = (ROOT / "configs" / "demo-t5.yaml").read_text(encoding="utf-8")
        update_config(config, yaml.safe_load(overlay))
    config["tasks"] = [*config["tasks"], name]
    config["datasets"][name] = {"sources": [entry], **dataset}
    config["finetuning"]["batch_size"] = 4
    config["finetuning"]["epochs"][name] = 1
    return config


def task_file(root: Path, **changes: object) -> str:
    described = {"name": "pets", "description": "Pets", "classes": ["dog", "cat"]}
    described |= {"labels": [["wild_dog"], []], "templates": ["a pet: {}"], **changes}
    file = root / "pets.yaml"
    file.write_text(yaml.safe_dump(described), encoding="utf-8")
    return str(file)


def made(root: Path, entry: dict, sizes: dict[str, int], **flags: str) -> Path:
    """The steps `data_source` and `dataset`, as a rule calls them; returns the folder."""
    words = [f"--{split}-images={count}" for split, count in sizes.items()]
    more = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
    located = root / "out" / "pets.json"
    command = ["--task=pets", "--sources", json.dumps(entry), f"--output={located}", *words, *more]
    locate_dataset.run(cli.parse(locate_dataset.Arguments, command))
    folder = root / "out" / "pets"
    command = ["--task=pets", f"--located={located}", "--image-size=8", "--order=content", *words]
    command += ["--validation-fraction=0.25", "--validation-maximum=9", f"--output-dir={folder}"]
    prepare_dataset.run(cli.parse(prepare_dataset.Arguments, command))
    return folder


WRITERS = {"folders": lambda *given: folders(*given)[0], "tables": tables, "lines": lines}


@pytest.mark.parametrize("splits", [("train", "test"), ("train", "validation", "test")])
@pytest.mark.parametrize("kind", WRITERS)
def test_what_is_there_is_counted(tmp_path, kind, splits):
    counts = {split: COUNTS[split] for split in splits}
    config = load_config(study(WRITERS[kind](tmp_path, counts)))
    found = config.datasets["pets"]
    assert (found.train_images, found.test_images) == (12, 5)
    assert found.validation_images == counts.get("validation")
    shown = ("cat", "wild_dog") if kind == "lines" else ("cat", "wild dog")
    assert config.task_of("pets").classes == shown


def test_sizes_that_are_given_are_demanded_and_need_no_files_yet(tmp_path):
    entry, _ = folders(tmp_path / "data", COUNTS)
    sizes = {"train_images": 13, "validation_images": 4, "test_images": 5}
    assert load_config(study(entry, **sizes)).datasets["pets"].train_images == 13
    with pytest.raises(UserError, match=r"has 12 examples, not 13 \(datasets.pets.train_images\)"):
        made(tmp_path, entry, {"train": 13, "validation": 4, "test": 5})
    shutil.rmtree(tmp_path / "data")
    load_config(study(entry, task=task_file(tmp_path), **sizes))


@pytest.mark.parametrize("kind", ["folders", "tables"])
@pytest.mark.parametrize("has_file", [False, True])
def test_images_are_stored_with_the_classes_of_their_folders(tmp_path, kind, has_file):
    """Against the arrays that were drawn, resized by nobody: they are compared by their hashes."""
    entry = WRITERS[kind](tmp_path / "data", COUNTS)
    flags = {"task_file": task_file(tmp_path)} if has_file else {}
    folder = made(tmp_path, entry, COUNTS, **flags)
    # The task's file has the classes in another order, and calls one of them otherwise.
    number = {"cat": 1, "wild_dog": 0} if has_file else {"cat": 0, "wild_dog": 1}
    drawn = 0
    for split, count in COUNTS.items():
        stored = load_split(folder, split)
        expected = set()
        for row in range(count):
            pixels, label = picture(drawn + row), number[CLASSES[row % 2]]
            content = b"9x7x3:" + pixels.tobytes() + label.to_bytes(8, "little")
            expected.add(hashlib.sha256(content).digest())
        drawn += count
        assert {row.tobytes() for row in stored.hashes} == expected
        assert stored.classes == (("dog", "cat") if has_file else ("cat", "wild dog"))
    task = described_task("pets", tmp_path / "out" / "pets.json")
    prompts = [["a pet: dog"], ["a pet: cat"]]
    assert task.prompts() == (
        prompts if has_file else [["a photo of a cat"], ["a photo of a wild dog"]]
    )


def test_texts_without_a_file_have_their_labels_for_answers(tmp_path):
    config = load_config(study(lines(tmp_path, COUNTS)))
    task = config.task_of("pets")
    assert task.kind == "text" and [piece.text for piece in task.fill({"text": "hm"}, "")] == ["hm"]


def test_a_missing_task_file_is_told(tmp_path, caplog):
    entry, _ = folders(tmp_path / "data", COUNTS)
    with caplog.at_level("WARNING", logger="tangent"):
        made(tmp_path, entry, COUNTS)
    assert "pets has no task file" in caplog.text and "'a photo of a {}'" in caplog.text


CHANGES = {
    "one more": lambda files: shutil.copy(files[0], files[0].with_name("new.png")),
    "one less": lambda files: files[0].unlink(),
    "another name": lambda files: files[0].rename(files[0].with_name("new.png")),
    "another class": lambda files: files[0].rename(files[1].with_name("new.png")),
    "another size": lambda files: files[0].write_bytes(files[0].read_bytes() + b" "),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_listing_is_another_data_set(tmp_path, change):
    entry, written = folders(tmp_path / "data", COUNTS)
    (source,) = load_config(study(entry)).datasets["pets"].sources
    before = source.contents("pets").listing
    for _, _, file in written:  # time stamps do not count
        os.utime(file, (1, 1))
    assert source.contents("pets").listing == before
    CHANGES[change]([file for _, _, file in written])
    assert source.contents("pets").listing != before
    with pytest.raises(UserError, match="have changed since Snakemake listed them"):
        made(tmp_path, entry, COUNTS, listing=before)


def test_files_that_change_between_two_steps_are_refused(tmp_path):
    entry, written = folders(tmp_path / "data", COUNTS)
    made(tmp_path, entry, COUNTS)
    written[0][2].rename(written[0][2].with_name("new.png"))
    located = read_located(tmp_path / "out" / "pets.json")
    with pytest.raises(UserError, match="has changed since it was listed: start Snakemake again"):
        open_source(
            described_task("pets", tmp_path / "out" / "pets.json"), located, Sizes(12, 4, 5)
        )


def edited(name: str, before: str, after: str):
    """A table with another text in it."""

    def edit(root: Path) -> None:
        file = root / name
        text = file.read_text()
        assert before in text
        file.write_text(text.replace(before, after, 1))

    return edit


def emptied(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


BAD = {
    "train/cat holds no images: put some there": (
        "folders",
        lambda root: emptied(root / "train" / "cat"),
        {},
    ),
    "test lacks class folders that .*train has: cat": (
        "folders",
        lambda root: shutil.rmtree(root / "test" / "cat"),
        {},
    ),
    "train/cat/lost.png cannot be read .No such file or directory.: restore or remove it": (
        "folders",
        lambda root: (root / "train" / "cat" / "lost.png").symlink_to("nowhere"),
        {},
    ),
    "/test does not exist: put it there, or correct": (
        "folders",
        lambda root: shutil.rmtree(root / "test"),
        {},
    ),
    "datasets.pets.sources: .*/train and .*/test do not exist: put them there": (
        "folders",
        lambda root: [shutil.rmtree(root / split) for split in ("train", "test")],
        {},
    ),
    "the classes of pets: a task needs at least two classes": (
        "folders",
        lambda root: [shutil.rmtree(root / split / "cat") for split in ("train", "test")],
        {},
    ),
    "train.csv names 1 images that are not in .*cat, such as nobody.png": (
        "tables",
        edited("train.csv", "cat/0.png", "cat/nobody.png"),
        {},
    ),
    "train.csv must have the columns path and label .*it has images/train/cat/0.png, cat. Name": (
        "tables",
        edited("train.csv", "path,label\n", ""),
        {},
    ),
    "test.csv must have the columns path and label .*it has path, kind. Name these": (
        "tables",
        edited("test.csv", "path,label", "path,kind"),
        {},
    ),
    "must have the columns file and label": ("tables", None, {"image": "file"}),
    "train.csv, line 2 has no label": ("tables", edited("train.csv", "0.png,cat", "0.png,"), {}),
    "test.csv has the label 'cow', which no image in .*train.csv has": (
        "tables",
        edited("test.csv", "0.png,cat", "0.png,cow"),
        {},
    ),
    "cat/0.png is listed by .*train.csv and by .*test.csv": (
        "tables",
        edited("test.csv", "images/test/cat/0.png", "images/train/cat/0.png"),
        {},
    ),
    "needs the keys train and test, or root": ("lines", None, {"test": None}),
    "a split is empty": ("lines", lambda root: (root / "test.jsonl").write_text(""), {}),
    "test.jsonl, line 1 has no 'label', which the prompt of tasks without a file names": (
        "lines",
        edited("test.jsonl", "label", "mood"),
        {},
    ),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_data_has_one_message_before_anything_runs(tmp_path, message):
    kind, spoil, keys = BAD[message]
    entry = WRITERS[kind](tmp_path, {"train": 24, "test": 5}) | keys
    if spoil:
        spoil(tmp_path)
    with pytest.raises(UserError, match=message) as error:
        load_config(study(entry))
    assert len(error.value.args) == 1 and "datasets.pets" in str(error.value)


def test_one_folder_for_two_splits_is_refused(tmp_path):
    entry, _ = folders(tmp_path, {"train": 12, "test": 5})
    with pytest.raises(UserError, match=r"train and test are both .*/train: accuracies"):
        load_config(study(entry | {"test": f"{tmp_path}/test/../train"}))


@pytest.mark.parametrize("kind", ["folders", "tables"])
def test_a_name_of_ours_is_refused(tmp_path, kind):
    entry = WRITERS[kind](tmp_path, {"train": 12, "test": 5})
    with pytest.raises(UserError, match="'dtd' is one of our tasks; give yours another name"):
        load_config(study(entry, name="dtd"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "animals"}, "name is 'animals', but the file says 'pets'"),
        ({"classes": ["dog"], "labels": [["wild_dog"]]}, "a task needs at least two classes"),
        ({"kind": "text"}, "must have exactly the keys"),
    ],
)
def test_a_bad_task_file_is_named(tmp_path, changes, message):
    entry, _ = folders(tmp_path, {"train": 12, "test": 5})
    with pytest.raises(UserError, match=rf"datasets.pets: .*pets.yaml.*{message}") as error:
        load_config(study(entry, task=task_file(tmp_path, **changes)))
    assert len(error.value.args) == 1
    os.rename(tmp_path / "pets.yaml", tmp_path / "animals.yaml")
    with pytest.raises(UserError, match="animals.yaml describes the task pets: call it pets.yaml"):
        load_config(study(entry, task=f"{tmp_path}/animals.yaml"))


def test_a_label_that_is_no_class_of_the_task_file_is_named(tmp_path):
    entry, _ = folders(tmp_path / "data", COUNTS)
    file = task_file(tmp_path, classes=["hen", "cat"], labels=[[], []])
    with pytest.raises(UserError, match=rf"no single class: 'wild_dog'.* `labels` in {file}"):
        made(tmp_path, entry, COUNTS, task_file=file)


def test_an_image_in_two_splits_is_named(tmp_path):
    entry, written = folders(tmp_path / "data", COUNTS)
    shutil.copy(written[0][2], written[-1][2])
    with pytest.raises(
        UserError, match=rf"1 of the 5 test images are also train.*{written[-1][2]}"
    ):
        made(tmp_path, entry, COUNTS)


def test_sizes_of_other_sources_are_missing():
    config = study({"source": "demo", "seed": 0}, name="glyphs", test_images=9)
    config["tasks"].remove("glyphs")
    with pytest.raises(UserError, match="datasets.glyphs.train_images is missing; none of its"):
        load_config(config)
