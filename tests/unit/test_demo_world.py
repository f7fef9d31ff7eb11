"""The demo world: deterministic, train and test apart, every class visible, prompts whole."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from fontTools.ttLib import TTFont
from hypothesis import given, settings
from hypothesis import strategies as st

from tangent.demo.drawing import PICTURES, package_file
from tangent.demo.photographs import PHOTOGRAPHS
from tangent.demo.world import CONTROL_TASK, RENDERERS, TASKS, pretraining_data, render_task
from tangent.jobs.errors import UserError
from tangent.tasks.task_files import load_task

ALL = (*TASKS, CONTROL_TASK)


def _hashes(pixels: np.ndarray) -> set[bytes]:
    return {hashlib.sha256(image.tobytes()).digest() for image in pixels}


@pytest.mark.parametrize("task", ALL)
def test_images_and_labels_have_their_form(task: str) -> None:
    pixels, labels = render_task(task, "train", 250, seed=0)
    assert pixels.shape == (250, 32, 32, 3) and pixels.dtype == np.uint8
    assert labels.shape == (250,) and labels.dtype == np.int64
    assert set(labels) == set(range(len(load_task(task).classes)))


@pytest.mark.parametrize("task", ALL)
def test_train_and_test_share_no_image(task: str) -> None:
    train, _ = render_task(task, "train", 1300 if task == "digits" else 100, seed=0)
    test, _ = render_task(task, "test", 497 if task == "digits" else 100, seed=0)
    assert not _hashes(train) & _hashes(test)
    assert len(_hashes(train)) == len(train)


@given(
    task=st.sampled_from(ALL),
    split=st.sampled_from(["train", "test"]),
    seed=st.integers(0, 2**32),
    images=st.integers(1, 8),
)
@settings(max_examples=30, deadline=None)
def test_images_depend_on_the_arguments_only(task, split, seed, images) -> None:
    first = render_task(task, split, images, seed)
    render_task("shapes", "train", 1, seed)
    again = render_task(task, split, images, seed)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("task", ALL)
def test_more_images_start_with_the_same_ones_and_seeds_differ(task: str) -> None:
    few, many = render_task(task, "test", 5, 3), render_task(task, "test", 9, 3)
    assert np.array_equal(few[0], many[0][:5]) and np.array_equal(few[1], many[1][:5])
    assert not np.array_equal(many[0], render_task(task, "test", 9, 4)[0])


def test_bad_requests_are_refused() -> None:
    with pytest.raises(UserError, match="at most 497"):
        render_task("digits", "test", 498, 0)
    with pytest.raises(UserError, match="at most 1300"):
        render_task("digits", "train", 1301, 0)
    with pytest.raises(UserError, match="no task 'cars'"):
        render_task("cars", "test", 1, 0)


def test_drawn_classes_are_those_of_the_task_files() -> None:
    drawn = {task: kind["characters"] for task, kind in PICTURES["characters"].items()}
    assert load_task("letters").classes == tuple(drawn["letters"].lower())
    drawn["signs"] = [tuple(sign) for sign in PICTURES["signs"]]
    drawn["photos"] = [photograph.file for photograph in PHOTOGRAPHS]
    drawn["counting"] = "12345678"
    drawn["shapes"] = "circle square triangle pentagon hexagon star cross ring crescent heart"
    drawn["patterns"] = "striped dotted checkered zigzag grid wavy spiral cracked woven blotchy"
    for task in ("shapes", "patterns"):  # which are drawn by the names of their classes
        drawn[task] = drawn[task].split()
        assert load_task(task).classes == tuple(drawn[task])
    for task, classes in drawn.items():
        assert len(classes) == len(set(classes)) == len(load_task(task).classes), task
    assert drawn.keys() == set(ALL)


@pytest.mark.parametrize("task", PICTURES["characters"])
def test_every_font_has_its_characters(task: str) -> None:
    kind = PICTURES["characters"][task]
    for name in {*kind["fonts"], *kind["harder_fonts"]}:
        known = TTFont(package_file("matplotlib", f"mpl-data/fonts/ttf/{name}")).getBestCmap()
        missing = [letter for letter in kind["characters"] if ord(letter) not in known]
        assert not missing, name


@pytest.mark.parametrize("task", ALL)
@pytest.mark.parametrize("harder", [False, True])
def test_every_class_differs_from_its_background(task: str, harder: bool) -> None:
    for label, name in enumerate(load_task(task).classes):
        picture = RENDERERS[task](np.random.default_rng(0), label, harder)
        pixels = np.asarray(picture.image, np.int64)
        values, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
        background = values[counts.argmax()]
        differing = (np.abs(pixels - background).sum(axis=-1) > 60).mean()
        # A star of radius 4, the smallest figure, covers 0.4 % of the canvas.
        assert differing > 0.003, name


def test_photograph_regions_are_disjoint_and_apart() -> None:
    for photograph in PHOTOGRAPHS:
        train, test = photograph.region("train"), photograph.region("test")
        axis = 0 if photograph.test_side == "right" else 1
        assert train[axis + 2] + 4 <= test[axis], photograph.file
        for left, top, right, bottom in (train, test):
            width, height = photograph.pixels().size
            assert 0 <= left < right <= width and 0 <= top < bottom <= height
            assert min(right - left, bottom - top) >= 32, photograph.file


def test_pretraining_data_are_deterministic_and_captioned() -> None:
    pixels, captions, labels = pretraining_data(300, seed=5)
    again, captions_again, labels_again = pretraining_data(300, seed=5)
    assert np.array_equal(pixels, again) and captions == captions_again
    assert np.array_equal(labels, labels_again) and labels.shape == (300,)
    assert pixels.shape == (300, 32, 32, 3) and len(captions) == 300
    assert captions != pretraining_data(300, seed=6)[1]
    assert not any("{" in caption or "  " in caption for caption in captions)


def test_captions_name_every_class_of_every_task() -> None:
    text = "\n".join(pretraining_data(3000, seed=0)[1])
    for task in ALL:
        assert not [name for name in load_task(task).classes if name not in text], task


def test_prompts_and_captions_fit_into_the_context() -> None:
    from open_clip import SimpleTokenizer

    from tangent.training.pretraining.contrastive import CONTEXT_LENGTH, prompts

    texts = prompts() + sorted(set(pretraining_data(1500, seed=0)[1]))
    whole = SimpleTokenizer(context_length=77)(texts)
    assert int((whole != 0).sum(dim=1).max()) <= CONTEXT_LENGTH
