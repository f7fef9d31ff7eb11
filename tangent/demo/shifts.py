"""The distribution shift of each task: what its images have that pre-training never showed."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from tangent.demo.photographs import Split, background


def shift(task: str, image: Image.Image, rng: np.random.Generator, split: Split) -> Image.Image:
    """Apply the shift of `task` to a 64 x 64 canvas.

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
