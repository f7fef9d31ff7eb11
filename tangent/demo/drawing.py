"""The drawn domains of the demo world: shapes, counts, signs, characters of fonts, textures.

Renderers draw on a 64 x 64 canvas; `to_pixels` halves it, which anti-aliases the edges.
"""

import math
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from PIL import Image, ImageDraw, ImageFont

from tangent.jobs.errors import UserError
from tangent.tasks.task_files import load_task

CANVAS = 64
IMAGE = 32

PICTURES = yaml.safe_load(Path(__file__).with_name("pictures.yaml").read_text(encoding="utf-8"))
Colour = tuple[int, int, int]
PALETTE: dict[str, Colour] = {name: tuple(rgb) for name, rgb in PICTURES["palette"].items()}
COLOURS = tuple(PALETTE)
# Colours of one picture differ at least this much (sum over the channels), or it cannot be read.
_LEAST_CONTRAST = 200
# These are drawn by the names of their classes.
SHAPES, PATTERNS = load_task("shapes").classes, load_task("patterns").classes
# Corners, turn, and inner radius as a share of the outer one.
_POLYGONS = {
    "triangle": (3, 0.0, 1.0),
    "square": (4, math.pi / 4, 1.0),
    "diamond": (4, 0.0, 1.0),
    "pentagon": (5, 0.0, 1.0),
    "hexagon": (6, 0.0, 1.0),
    "octagon": (8, math.pi / 8, 1.0),
    "star": (5, 0.0, 0.42),
}
_LIGHT, _DARK = (240, 240, 240), (20, 20, 20)


class Picture(NamedTuple):
    """A drawn canvas and the colour words that its caption may use (empty for photographs)."""

    image: Image.Image
    foreground: str = ""
    background: str = ""


def _begin(rng: np.random.Generator) -> tuple[str, str, Image.Image]:
    """Draw two colours that can be told apart: a foreground, a background and its canvas."""
    while True:
        first, second = (COLOURS[i] for i in rng.choice(len(COLOURS), 2, replace=False))
        difference = sum(abs(a - b) for a, b in zip(PALETTE[first], PALETTE[second], strict=True))
        if difference > _LEAST_CONTRAST:
            return first, second, _canvas(second)


def _canvas(colour: str) -> Image.Image:
    return Image.new("RGB", (CANVAS, CANVAS), PALETTE[colour])


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
def _font(file: str, size: int) -> ImageFont.FreeTypeFont:
    """A font that Matplotlib ships, `size` in canvas pixels."""
    return ImageFont.truetype(package_file("matplotlib", f"mpl-data/fonts/ttf/{file}"), size)


def to_pixels(image: Image.Image, rng: np.random.Generator, harder: bool) -> np.ndarray:
    """Scale to uint8 [32, 32, 3] and add sensor noise, and where `harder` exposure errors."""
    pixels = np.asarray(image.resize((IMAGE, IMAGE), Image.Resampling.BILINEAR), np.float32)
    if harder:
        pixels = pixels * rng.uniform(0.75, 1.15) + rng.normal(0, 12)
    noise = rng.standard_normal(pixels.shape, dtype=np.float32)
    return np.clip(pixels + (9 if harder else 6) * noise, 0, 255).astype(np.uint8)


def shape(rng: np.random.Generator, label: int, harder: bool) -> Picture:
    """Draw one filled shape."""
    foreground, background, image = _begin(rng)
    radius = rng.uniform(12, 20) if harder else rng.uniform(18, 26)
    offset, turn = (10, 0.8) if harder else (5, 0.15)
    x, y = CANVAS / 2 + rng.uniform(-offset, offset, 2)
    place = (x, y, radius, rng.uniform(-turn, turn))
    colours = PALETTE[foreground], PALETTE[background]
    _draw_shape(ImageDraw.Draw(image), SHAPES[label], place, *colours)
    return Picture(image, foreground, background)


def count(rng: np.random.Generator, label: int, harder: bool) -> Picture:
    """Draw `label` + 1 small figures that do not touch."""
    foreground, background, image = _begin(rng)
    draw = ImageDraw.Draw(image)
    radius = rng.uniform(4, 6) if harder else rng.uniform(5.5, 7)
    kind = ("circle", "square", "triangle", "star")[rng.integers(4)] if harder else "circle"
    for x, y in _separate_points(rng, label + 1, radius):
        _draw_shape(draw, kind, (x, y, radius, 0.0), PALETTE[foreground])
    return Picture(image, foreground, background)


def sign(rng: np.random.Generator, label: int, harder: bool) -> Picture:
    """Draw a traffic sign: an outline with a rim and a mark."""
    background = COLOURS[rng.integers(len(COLOURS))] if harder else "gray"
    image = _canvas(background)
    draw = ImageDraw.Draw(image)
    offset = 9 if harder else 3
    x, y = CANVAS / 2 + rng.uniform(-offset, offset, 2)
    radius = rng.uniform(13, 21) if harder else rng.uniform(22, 27)
    outline, mark = PICTURES["signs"][label]
    colour, outline = outline.split()
    has_light_face = colour == "red" and outline != "octagon"
    face = _LIGHT if has_light_face else PALETTE[colour]
    _draw_shape(draw, outline, (x, y, radius, 0.0), PALETTE[colour])
    _draw_shape(draw, outline, (x, y, 0.68 * radius, 0.0), face)
    _draw_mark(draw, mark, x, y, radius, _DARK if has_light_face else _LIGHT)
    if harder:
        image = image.rotate(rng.uniform(-12, 12), fillcolor=PALETTE[background])
    return Picture(image, colour, background)


def character(task: str, rng: np.random.Generator, label: int, harder: bool) -> Picture:
    """Draw a character of letters, digits, symbols or glyphs; its font, size, place, turn vary."""
    kind = PICTURES["characters"][task]
    fonts = kind["harder_fonts" if harder else "fonts"]
    foreground, background, image = _begin(rng)
    size = rng.uniform(36, 50) if harder else rng.uniform(40, 52)
    offset, turn = (6, 15) if harder else (3, 4)
    place = tuple(CANVAS / 2 + rng.uniform(-offset, offset, 2))
    mask = Image.new("L", (CANVAS, CANVAS), 0)
    chosen = _font(fonts[rng.integers(len(fonts))], int(size))
    text = kind["characters"][label]
    ImageDraw.Draw(mask).text(place, text, font=chosen, fill=255, anchor="mm")
    image.paste(PALETTE[foreground], mask=mask.rotate(rng.uniform(-turn, turn)))
    return Picture(image, foreground, background)


def _separate_points(
    rng: np.random.Generator, points: int, radius: float
) -> list[tuple[float, float]]:
    """Draw centres at least 2.2 radii apart, starting afresh where a draw gets stuck."""
    while True:
        placed: list[tuple[float, float]] = []
        for _ in range(100):
            x, y = rng.uniform(radius + 1, CANVAS - 1 - radius, 2)
            if all(math.hypot(x - a, y - b) > 2.2 * radius for a, b in placed):
                placed.append((x, y))
                if len(placed) == points:
                    return placed


def _disc(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: Colour) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _draw_shape(
    draw: ImageDraw.ImageDraw,
    kind: str,
    placement: tuple[float, float, float, float],
    colour: Colour,
    background: Colour | None = None,
) -> None:
    """Draw the shape `kind`; `placement` is x, y, radius (pixels) and turn (radians).

    Rings and crescents have `background` in them.
    """
    x, y, radius, turn = placement
    match kind:
        case "circle":
            _disc(draw, x, y, radius, colour)
        case "cross":
            for angle in (turn, turn + math.pi / 2):
                dx, dy = radius * math.cos(angle), radius * math.sin(angle)
                width = max(3, int(0.55 * radius))
                draw.line((x - dx, y - dy, x + dx, y + dy), fill=colour, width=width)
        case "ring":
            _disc(draw, x, y, radius, colour)
            _disc(draw, x, y, 0.6 * radius, background)
        case "crescent":
            _disc(draw, x, y, radius, colour)
            shadow = (x + 0.5 * radius * math.cos(turn), y + 0.5 * radius * math.sin(turn))
            _disc(draw, *shadow, 0.85 * radius, background)
        case "heart":
            draw.polygon(_heart(x, y, radius, turn).ravel().tolist(), fill=colour)
        case _:
            corners, own_turn, inner = _POLYGONS[kind]
            index = np.arange(corners if inner == 1.0 else 2 * corners)
            distance = radius * np.where(index % 2, inner, 1.0)
            angle = turn + own_turn + 2 * math.pi * index / len(index) - math.pi / 2
            points = np.stack([x + distance * np.cos(angle), y + distance * np.sin(angle)], axis=1)
            draw.polygon(points.ravel().tolist(), fill=colour)


def _heart(x: float, y: float, radius: float, turn: float) -> np.ndarray:
    t = 2 * np.pi * np.arange(24) / 24
    across = 16 * np.sin(t) ** 3 * radius / 17
    up = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    down = -up * radius / 17
    columns = x + across * math.cos(turn) - down * math.sin(turn)
    return np.stack([columns, y + across * math.sin(turn) + down * math.cos(turn)], axis=1)


def _draw_mark(
    draw: ImageDraw.ImageDraw, mark: str, x: float, y: float, radius: float, colour: Colour
) -> None:
    reach, width = 0.36 * radius, max(2, int(0.2 * radius))

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x + across * reach, y + down * reach) for across, down in points]

    def line(*points: tuple[float, float]) -> None:
        draw.line(at(*points), fill=colour, width=width)

    match mark:
        case "bar":
            draw.rectangle((x - reach, y - width / 2, x + reach, y + width / 2), fill=colour)
        case "arrow right":
            line((-1, 0), (1, 0))
            draw.polygon(at((1, -0.7), (1.5, 0), (1, 0.7)), fill=colour)
        case "arrow up":
            line((0, 1), (0, -1))
            draw.polygon(at((-0.7, -1), (0, -1.5), (0.7, -1)), fill=colour)
        case "exclamation":
            line((0, -1), (0, 0.3))
            _disc(draw, x, y + 0.6 * reach + width / 2, width / 2, colour)
        case "cross":
            line((-1, 0), (1, 0))
            line((0, -1), (0, 1))
        case "letter":
            bold = _font("DejaVuSans-Bold.ttf", int(0.9 * radius))
            draw.text((x, y), "P", font=bold, fill=colour, anchor="mm")


def pattern(rng: np.random.Generator, label: int, harder: bool) -> Picture:
    """Fill the canvas with a texture of random direction, scale and phase."""
    foreground, background, _ = _begin(rng)
    if harder:
        turn, period = rng.uniform(0, math.pi), rng.uniform(6, 11)
    else:
        turn = rng.choice([0, math.pi / 2]) + rng.uniform(-0.1, 0.1)
        period = rng.uniform(10, 16)
    mask = _mask(rng, PATTERNS[label], turn, period)
    pixels = np.where(mask[..., None], PALETTE[foreground], PALETTE[background])
    return Picture(Image.fromarray(pixels.astype(np.uint8)), foreground, background)


def _mask(rng: np.random.Generator, kind: str, turn: float, period: float) -> np.ndarray:
    """Where the foreground colour goes: bool [64, 64]. `period` in canvas pixels."""
    x, y = np.meshgrid(np.arange(CANVAS), np.arange(CANVAS))
    along = x * math.cos(turn) + y * math.sin(turn) + rng.uniform(0, period)
    across = -x * math.sin(turn) + y * math.cos(turn)
    half = period / 2
    match kind:
        case "striped":
            return along % period < half
        case "dotted":
            distance = np.hypot(along % period - half, across % period - half)
            return distance < 0.33 * period
        case "checkered":
            cells = along // (0.7 * period) + across // (0.7 * period)
            return cells % 2 == 0
        case "zigzag":
            return (across + 1.2 * np.abs(along % period - half)) % period < half
        case "grid":
            return (along % period < 0.25 * period) | (across % period < 0.25 * period)
        case "wavy":
            wave = 0.35 * period * np.sin(2 * math.pi * along / (1.7 * period))
            return (across + wave) % period < half
        case "spiral":
            centre_x, centre_y = rng.uniform(20, 44, 2)
            radius = np.hypot(x - centre_x, y - centre_y)
            angle = np.arctan2(y - centre_y, x - centre_x)
            return (radius + angle * period / (2 * math.pi)) % period < half
        case "cracked":
            seeds = rng.uniform(0, CANVAS, (14, 2))
            distances = np.hypot(x[..., None] - seeds[:, 0], y[..., None] - seeds[:, 1])
            nearest = np.partition(distances, 1, axis=-1)
            return nearest[..., 1] - nearest[..., 0] < 2.2
        case "woven":
            is_even = along // period % 2 == 0
            return np.where(is_even, across % half < half / 2, along % half < half / 2)
        case _:  # blotchy
            coarse = rng.standard_normal((8, 8)).astype(np.float32)
            smooth = Image.fromarray(coarse).resize((CANVAS, CANVAS), Image.Resampling.BICUBIC)
            return np.asarray(smooth) > 0
