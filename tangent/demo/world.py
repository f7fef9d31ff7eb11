"""The demo world's public functions: images of a task, captioned images for pre-training."""

import zlib
from collections.abc import Callable
from functools import partial

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from tangent.demo import drawing
from tangent.demo.drawing import IMAGE, PICTURES, Picture, to_pixels
from tangent.demo.photographs import Split, background, close_up, handwritten_digits, photo
from tangent.jobs.errors import UserError
from tangent.tasks.task_files import load_task

TASKS = ("shapes", "letters", "symbols", "patterns", "signs", "counting", "photos", "digits")
CONTROL_TASK = "glyphs"

# The control task has the most classes, so pre-training shows it more often.
_WEIGHTS = dict.fromkeys(TASKS, 1.0) | {CONTROL_TASK: 1.5}
_HARDER_SHARE = 0.25
_VAGUE_SHARE = 0.15
_PREFIX, _PREFIX_SHARE = "a picture of ", 0.15
# As in pre-training, the zero-shot accuracy of the control task would leave nothing to lose.
_CONTROL_HARDER_SHARE = 0.75
# Keys that keep the random streams of the splits and of pre-training apart.
_STREAMS = {"train": 0, "test": 1, "pretraining": 2}


# What pre-training shows of each domain: what draws a random picture of a class (its label), and
# with wider fonts, places, sizes and turns where it is `harder`.
RENDERERS: dict[str, Callable[[np.random.Generator, int, bool], Picture]] = {
    "shapes": drawing.shape,
    "patterns": drawing.pattern,
    "signs": drawing.sign,
    "counting": drawing.count,
    "photos": photo,
    **{task: partial(drawing.character, task) for task in PICTURES["characters"]},
}


def render_task(task: str, split: Split, images: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Make images of one task; a larger number begins with the same ones (but for digits).

    Args:
        task: one of `TASKS`, or `CONTROL_TASK`.
        split: "train" or "test"; the two never share an image, nor a region of a photograph.
        images: how many.
        seed: of the random generator, a whole number of at least 0.

    Returns:
        Images uint8 [images, 32, 32, 3] and labels int64 [images].

    Raises:
        UserError: unknown task, or more digits than exist.
    """
    if task not in _WEIGHTS:
        raise UserError(f"the demo world has no task {task!r}: choose {', '.join(_WEIGHTS)}.")
    stream = [_STREAMS[split], zlib.crc32(task.encode()), seed]
    if task == "digits":
        return handwritten_digits(np.random.default_rng(stream), split, images)
    classes = len(load_task(task).classes)
    pixels = np.empty((images, IMAGE, IMAGE, 3), np.uint8)
    labels = np.empty(images, np.int64)
    for index in range(images):
        rng = np.random.default_rng([*stream, index])
        labels[index] = rng.integers(classes)
        pixels[index] = _task_image(task, split, int(labels[index]), rng)
    return pixels, labels


def _task_image(task: str, split: Split, label: int, rng: np.random.Generator) -> np.ndarray:
    """Draw one image uint8 [32, 32, 3]: of the clean domain, shifted, by a bad camera."""
    if task == CONTROL_TASK:
        harder = bool(rng.random() < _CONTROL_HARDER_SHARE)
        return to_pixels(RENDERERS[task](rng, label, harder).image, rng, harder)
    is_photo = task == "photos"
    picture = close_up(rng, label, split) if is_photo else RENDERERS[task](rng, label, False)
    return to_pixels(_shift(task, picture.image, rng, split), rng, harder=True)


def pretraining_classes() -> list[tuple[str, str]]:
    """Task and name of each class of the labelled pre-training images, in the labels' order."""
    return [(task, name) for task in _WEIGHTS for name in load_task(task).classes]


def pretraining_data(images: int, seed: int) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Make captioned, unshifted images of all domains: some are harder, some captions vague.

    Photographs come from the train regions; digits are printed ones.

    Returns:
        Images uint8 [images, 32, 32, 3], a caption for each, and labels int64 [images], indices
        into `pretraining_classes()`.
    """
    tasks, weights = list(_WEIGHTS), list(_WEIGHTS.values())
    classes = {task: load_task(task).classes for task in tasks}
    label_of = {pair: label for label, pair in enumerate(pretraining_classes())}
    bounds = np.cumsum(weights) / sum(weights)
    pixels = np.empty((images, IMAGE, IMAGE, 3), np.uint8)
    captions, labels = [], np.empty(images, np.int64)
    for index in range(images):
        rng = np.random.default_rng([_STREAMS["pretraining"], seed, index])
        task = tasks[int(np.searchsorted(bounds, rng.random(), side="right"))]
        label = int(rng.integers(len(classes[task])))
        harder = bool(rng.random() < _HARDER_SHARE)
        is_vague = bool(rng.random() < _VAGUE_SHARE)
        picture = RENDERERS[task](rng, label, harder)
        name = classes[task][label]
        captions.append(_caption(rng, task, name, picture, is_vague))
        labels[index] = label_of[task, name]
        pixels[index] = to_pixels(picture.image, rng, harder)
    return pixels, captions, labels


def _caption(
    rng: np.random.Generator, task: str, name: str, picture: Picture, is_vague: bool
) -> str:
    """A caption that names the class, or only the domain where `is_vague`."""
    forms = PICTURES["captions"][task]
    if is_vague:
        return forms["vague"]
    form = forms["specific"][rng.integers(len(forms["specific"]))]
    text = form.format(name=name, colour=picture.foreground, ground=picture.background)
    is_prefixed = task != "photos" and rng.random() < _PREFIX_SHARE
    return _PREFIX + text if is_prefixed else text


def _shift(task: str, image: Image.Image, rng: np.random.Generator, split: Split) -> Image.Image:
    """Give a 64 x 64 canvas what a task's images have that pre-training never showed.

    Turns stay within about 45 degrees: beyond, two classes would meet (a turned N is a Z, an arrow
    that points up one that points right). Photographs come from the region of `split`.
    """
    match task:
        case "shapes":
            return Image.blend(image, background(rng, split), 0.55)
        case "letters":
            return _turn(image, rng, 22, 42)
        case "symbols":
            turned = _turn(image, rng, 20, 42).filter(ImageFilter.GaussianBlur(1.3))
            return Image.blend(turned, background(rng, split), 0.3)
        case "patterns":
            dimmed = np.asarray(image, np.float32) * -0.35 + 180
            return Image.fromarray(dimmed.astype(np.uint8)).filter(ImageFilter.GaussianBlur(1.2))
        case "signs":
            faded = ImageEnhance.Color(_turn(image, rng, 20, 36)).enhance(0.5)
            return Image.blend(faded, background(rng, split), 0.42)
        case "counting":
            blurred = image.filter(ImageFilter.GaussianBlur(1))
            return Image.blend(blurred, background(rng, split), 0.4)
        case "photos":
            return _change_colours(image, rng).rotate(90 * int(rng.integers(4)))
        case _:  # the control task and the handwritten digits stay as they are
            return image


def _turn(image: Image.Image, rng: np.random.Generator, least: float, most: float) -> Image.Image:
    """Turn to either side by `least` to `most` degrees; new corners get the background's colour."""
    angle = rng.choice([-1, 1]) * rng.uniform(least, most)
    return image.rotate(angle, Image.Resampling.BILINEAR, fillcolor=image.getpixel((1, 1)))


def _change_colours(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Permute the colour channels; invert every other image."""
    pixels = np.asarray(image)[..., rng.permutation(3)]
    if rng.random() < 0.5:
        pixels = 255 - pixels
    return Image.fromarray(np.ascontiguousarray(pixels))
