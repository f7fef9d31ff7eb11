"""Domains drawn from the characters of Matplotlib's fonts: letters, digits, symbols, glyphs."""

from __future__ import annotations

import numpy as np

from tangent.demo.drawing import Picture, draw_character

CLEAN_FONTS = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")
HARDER_FONTS = (
    "DejaVuSerif.ttf",
    "DejaVuSerif-Italic.ttf",
    "DejaVuSerif-BoldItalic.ttf",
    "DejaVuSansMono-Oblique.ttf",
    "STIXGeneralItalic.ttf",
    "STIXGeneralBol.ttf",
)
# Only these families hold every character of SYMBOLS and GLYPHS.
PICTOGRAM_FONTS = ("DejaVuSans.ttf",)
HARDER_GLYPH_FONTS = (
    "DejaVuSans-Oblique.ttf",
    "DejaVuSans-BoldOblique.ttf",
    "DejaVuSansMono.ttf",
    "DejaVuSansMono-Bold.ttf",
)

# The characters of each task in the order of its classes in tangent/tasks/<task>.yaml.
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "0123456789"
SYMBOLS = "♛♞♜♝♠♣☀☁☂☃☎☠☮☺♫⚓⚔⚖⚛✈✉✂✎❄"
GLYPHS = "αβδλμπφψω∞∫∑√±≠∅∈∀←→↑↓♈♉♊♌♓€£¥&?@%☯☢♀♂"


def letter(rng: np.random.Generator, label: int, harder: bool) -> Picture:
    """Draw a capital letter."""
    return draw_character(rng, LETTERS[label], HARDER_FONTS if harder else CLEAN_FONTS, harder)


def printed_digit(rng: np.random.Generator, label: int, harder: bool) -> Picture:
    """Draw a printed digit (the task itself holds handwritten ones)."""
    return draw_character(rng, DIGITS[label], HARDER_FONTS if harder else CLEAN_FONTS, harder)


def symbol(rng: np.random.Generator, label: int, harder: bool) -> Picture:
    """Draw a pictogram."""
    return draw_character(rng, SYMBOLS[label], PICTOGRAM_FONTS, harder)


def glyph(rng: np.random.Generator, label: int, harder: bool) -> Picture:
    """Draw a character of the control task."""
    return draw_character(rng, GLYPHS[label], HARDER_GLYPH_FONTS if harder else CLEAN_FONTS, harder)
