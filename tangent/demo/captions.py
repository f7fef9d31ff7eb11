"""Captions of the pre-training images."""

from __future__ import annotations

import numpy as np

from tangent.demo.drawing import Picture

# Fields: name (of the class), colour and ground (of the figure and of what is behind it).
SPECIFIC = {
    "shapes": ("a {name}", "a {colour} {name}", "a {name} on a {ground} background"),
    "letters": ("the letter {name}", "the {colour} letter {name}"),
    "symbols": ("the {name} icon", "the {colour} {name} icon"),
    "patterns": ("a {name} pattern", "a {name} texture", "a {colour} and {ground} {name} pattern"),
    "signs": ("a {name} traffic sign", "a road sign meaning {name}", "a {colour} {name} sign"),
    "counting": ("{name} dots", "{name} {colour} dots", "{name} objects"),
    "photos": ("a photo of {name}", "a close up of {name}"),
    "digits": ("the digit {name}", "the number {name}", "the {colour} digit {name}"),
    "glyphs": ("the {name} character", "the {colour} {name} character"),
}
GENERIC = {
    "shapes": "a geometric shape",
    "letters": "a letter",
    "symbols": "an icon",
    "patterns": "a pattern",
    "signs": "a traffic sign",
    "counting": "some dots",
    "photos": "a photo",
    "digits": "a digit",
    "glyphs": "a character",
}
PREFIX, PREFIX_SHARE = "a picture of ", 0.15


def caption(
    rng: np.random.Generator, task: str, name: str, picture: Picture, is_generic: bool
) -> str:
    """Write a caption that names the class, or only the domain where `is_generic`."""
    if is_generic:
        return GENERIC[task]
    forms = SPECIFIC[task]
    form = forms[rng.integers(len(forms))]
    text = form.format(name=name, colour=picture.foreground, ground=picture.background)
    is_prefixed = task != "photos" and rng.random() < PREFIX_SHARE
    return PREFIX + text if is_prefixed else text
