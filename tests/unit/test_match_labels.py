"""Labels of a data set's copy find the task's classes by name, in any order and spelling."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tangent.jobs.errors import UserError
from tangent.tasks.matching import match_labels
from tangent.tasks.task_files import Task, load_task

NAMES = ("cars", "dtd", "eurosat", "gtsrb", "mnist", "resisc45", "sun397", "svhn", "imagenet")
PETS = Task("pets", "", ("cat", "tabby cat", "dog"), ("{}",), (("felis",), (), ("hound", "dog 3")))


def _names_of(task: Task, index: int) -> list[str]:
    """All names that a data set may use for one class."""
    name = task.classes[index]
    labels = task.label_names[index] if task.label_names else ()
    return [*labels, *([name] if task.classes.count(name) == 1 else [])]


def _respelt(rng: np.random.Generator, name: str) -> str:
    """The name in random case, with folders' and files' marks for its spaces."""
    letters = [letter.upper() if rng.random() < 0.3 else letter.lower() for letter in name]
    return "".join(str(rng.choice(["_", "-", "/", "  ", ""])) if x == " " else x for x in letters)


@pytest.mark.parametrize("name", NAMES)
def test_any_order_and_spelling_of_any_of_its_names_is_matched(name, rng) -> None:
    task = load_task(name)
    order = rng.permutation(len(task.classes))
    source = [_respelt(rng, str(rng.choice(_names_of(task, index)))) for index in order]
    matched = match_labels(task, source)
    assert matched.dtype == np.int64
    np.testing.assert_array_equal(matched, order)


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_that_lacks_repeats_or_adds_a_class_is_refused(name, rng) -> None:
    task = load_task(name)
    source = [_names_of(task, index)[0] for index in range(len(task.classes))]
    one, other = rng.choice(len(source), 2, replace=False)
    with pytest.raises(UserError, match="classes without a name: ") as caught:
        match_labels(task, np.delete(source, one).tolist())
    assert repr(task.classes[one]) in str(caught.value)
    assert f"tangent/tasks/{name}.yaml" in str(caught.value)
    with pytest.raises(UserError, match="names of one class: ") as caught:
        match_labels(task, [*source, source[other]])
    assert f"{source[other]!r} and {source[other]!r}" in str(caught.value)
    with pytest.raises(UserError, match="fit no single class: 'purple xyzzy'"):
        match_labels(task, [*source[:one], "purple xyzzy", *source[one + 1 :]])


def test_the_message_names_every_fault() -> None:
    with pytest.raises(UserError) as caught:
        match_labels(PETS, ["Felis", "CAT", "fish"])
    message = str(caught.value)
    assert "no single class: 'fish'" in message
    assert "names of one class: 'Felis' and 'CAT'" in message
    assert "classes without a name: 'tabby cat', 'dog'" in message


def test_a_long_list_of_faults_is_cut() -> None:
    with pytest.raises(UserError, match="'apartment building outdoor' and 388 more"):
        match_labels(load_task("sun397"), ["abbey", "airplane_cabin", "airport_terminal", "alley"])


def test_one_name_of_two_classes_is_refused_unless_a_label_says_which() -> None:
    twins = Task("twins", "", ("seal", "seal"), ("{}",), (("animal",), ("stamp",)))
    np.testing.assert_array_equal(match_labels(twins, ["stamp", "animal"]), [1, 0])
    with pytest.raises(UserError, match="fit no single class: 'seal', 'seal'"):
        match_labels(twins, ["seal", "seal"])
    named = replace(twins, label_names=(("seal",), ("stamp",)))
    np.testing.assert_array_equal(match_labels(named, ["Seal", "stamp"]), [0, 1])


def test_imagenet_is_matched_by_identifier_and_by_wordnet_names() -> None:
    from timm.data import ImageNetInfo

    info = ImageNetInfo("imagenet-1k")
    identifiers = info.label_names()
    assert identifiers == sorted(identifiers)
    task = load_task("imagenet")
    np.testing.assert_array_equal(match_labels(task, identifiers), np.arange(1000))
    # "crane" is a bird and a machine; the Hugging Face copy numbers the second.
    names = [info.index_to_description(index) for index in range(1000)]
    assert [index for index, name in enumerate(names) if name == "crane"] == [134, 517]
    names[517] = "crane2"
    np.testing.assert_array_equal(match_labels(task, names), np.arange(1000))


def test_mnist_is_matched_by_torchvisions_names() -> None:
    from torchvision.datasets import MNIST

    np.testing.assert_array_equal(match_labels(load_task("mnist"), MNIST.classes), np.arange(10))


def test_eurosats_folders_are_matched_in_sorted_order() -> None:
    folders = "SeaLake River Residential PermanentCrop Pasture Industrial Highway "
    folders += "HerbaceousVegetation Forest AnnualCrop"
    matched = match_labels(load_task("eurosat"), sorted(folders.split()))
    np.testing.assert_array_equal(matched, np.arange(10))


def test_gtsrb_is_matched_by_folders_and_by_numbers_sorted_as_words() -> None:
    task = load_task("gtsrb")
    folders = [f"{number:05d}" for number in range(43)]
    np.testing.assert_array_equal(match_labels(task, folders), np.arange(43))
    numbers = sorted(map(str, range(43)))  # 0, 1, 10, 11, ...
    np.testing.assert_array_equal(match_labels(task, numbers), [int(n) for n in numbers])


def test_sun397s_two_layouts_order_a_pair_differently() -> None:
    task = load_task("sun397")
    listed = sorted(names[0] for names in task.label_names)  # /j/jail/indoor, /j/jail_cell
    flat = sorted(name[1:].replace("/", "_") for name in listed)  # j_jail_cell, j_jail_indoor
    np.testing.assert_array_equal(match_labels(task, flat), np.arange(397))
    by_list = match_labels(task, listed)
    assert np.flatnonzero(by_list != np.arange(397)).tolist() == [206, 207]
    assert [task.classes[index] for index in by_list[206:208]] == ["jail indoor", "jail cell"]
    # torchvision's names lack the leading letter.
    np.testing.assert_array_equal(match_labels(task, [name[3:] for name in listed]), by_list)


@pytest.mark.parametrize("name", ["dtd", "resisc45"])
def test_folders_with_underscores_are_in_sorted_order(name: str) -> None:
    task = load_task(name)
    folders = sorted(of_class.replace(" ", "_") for of_class in task.classes)
    np.testing.assert_array_equal(match_labels(task, folders), np.arange(len(folders)))
