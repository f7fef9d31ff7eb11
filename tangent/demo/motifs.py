"""Domains drawn from geometric figures: shapes, counts, traffic signs."""

from __future__ import annotations

import math

import numpy as np
from PIL import ImageDraw

from tangent.demo.drawing import (
    CANVAS,
    COLOURS,
    PALETTE,
    Picture,
    canvas,
    contrasting_colours,
    font,
    polygon,
)

# In the order of the classes in tangent/tasks/shapes.yaml.
SHAPES = (
    "circle",
    "square",
    "triangle",
    "pentagon",
    "hexagon",
    "star",
    "cross",
    "ring",
    "crescent",
    "heart",
)
# Outline and mark of each sign, in the order of the classes in tangent/tasks/signs.yaml.
SIGNS = (
    ("red circle", "bar"),
    ("red circle", "arrow right"),
    ("red triangle", "exclamation"),
    ("red triangle", "arrow right"),
    ("blue circle", "arrow up"),
    ("blue circle", "arrow right"),
    ("blue square", "letter"),
    ("yellow diamond", "none"),
    ("red octagon", "bar"),
    ("blue square", "cross"),
    ("red triangle", "cross"),
    ("red circle", "none"),
)
# Corners and turn of the outlines that are polygons.
_OUTLINES = {
    "triangle": (3, 0.0),
    "square": (4, math.pi / 4),
    "diamond": (4, 0.0),
    "octagon": (8, math.pi / 8),
}
_LIGHT, _DARK = (240, 240, 240), (20, 20, 20)
_Colour = tuple[int, int, int]


def shape(rng: np.random.Generator, label: int, harder: bool) -> Picture:
    """Draw one filled shape."""
    foreground, background = contrasting_colours(rng)
    image = canvas(background)
    radius = rng.uniform(12, 20) if harder else rng.uniform(18, 26)
    offset, turn = (10, 0.8) if harder else (5, 0.15)
    x, y = CANVAS / 2 + rng.uniform(-offset, offset, 2)
    _draw_shape(
        ImageDraw.Draw(image),
        SHAPES[label],
        (x, y, radius, rng.uniform(-turn, turn)),
        PALETTE[foreground],
        PALETTE[background],
    )
    return Picture(image, foreground, background)


def count(rng: np.random.Generator, label: int, harder: bool) -> Picture:
    """Draw `label` + 1 small figures that do not touch."""
    foreground, background = contrasting_colours(rng)
    image = canvas(background)
    draw = ImageDraw.Draw(image)
    radius = rng.uniform(4, 6) if harder else rng.uniform(5.5, 7)
    kind = ("circle", "square", "triangle", "star")[rng.integers(4)] if harder else "circle"
    for x, y in _separate_points(rng, label + 1, radius):
        _draw_shape(draw, kind, (x, y, radius, 0.0), PALETTE[foreground], PALETTE[background])
    return Picture(image, foreground, background)


def sign(rng: np.random.Generator, label: int, harder: bool) -> Picture:
    """Draw a traffic sign: an outline with a rim and a mark."""
    background = COLOURS[rng.integers(len(COLOURS))] if harder else "gray"
    image = canvas(background)
    draw = ImageDraw.Draw(image)
    offset = 9 if harder else 3
    x, y = CANVAS / 2 + rng.uniform(-offset, offset, 2)
    radius = rng.uniform(13, 21) if harder else rng.uniform(22, 27)
    (colour, outline), mark = SIGNS[label][0].split(), SIGNS[label][1]
    has_light_face = colour == "red" and outline != "octagon"
    _draw_outline(draw, outline, x, y, radius, PALETTE[colour])
    _draw_outline(draw, outline, x, y, 0.68 * radius, _LIGHT if has_light_face else PALETTE[colour])
    _draw_mark(draw, mark, x, y, radius, _DARK if has_light_face else _LIGHT)
    if harder:
        image = image.rotate(rng.uniform(-12, 12), fillcolor=PALETTE[background])
    return Picture(image, colour, background)


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


def _disc(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: _Colour) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _draw_shape(
    draw: ImageDraw.ImageDraw,
    kind: str,
    placement: tuple[float, float, float, float],
    colour: _Colour,
    background: _Colour,
) -> None:
    """Draw the shape `kind`; `placement` is x, y, radius (pixels) and turn (radians)."""
    x, y, radius, turn = placement
    match kind:
        case "circle":
            _disc(draw, x, y, radius, colour)
        case "square":
            draw.polygon(polygon(4, x, y, radius, turn + math.pi / 4), fill=colour)
        case "triangle":
            draw.polygon(polygon(3, x, y, radius, turn), fill=colour)
        case "pentagon":
            draw.polygon(polygon(5, x, y, radius, turn), fill=colour)
        case "hexagon":
            draw.polygon(polygon(6, x, y, radius, turn), fill=colour)
        case "star":
            draw.polygon(polygon(5, x, y, radius, turn, inner=0.42), fill=colour)
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
            draw.polygon(_heart(x, y, radius, turn), fill=colour)


def _heart(x: float, y: float, radius: float, turn: float) -> list[tuple[float, float]]:
    points = []
    for index in range(24):
        t = 2 * math.pi * index / 24
        across = 16 * math.sin(t) ** 3 * radius / 17
        up = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        down = -up * radius / 17
        points.append(
            (
                x + across * math.cos(turn) - down * math.sin(turn),
                y + across * math.sin(turn) + down * math.cos(turn),
            )
        )
    return points


def _draw_outline(
    draw: ImageDraw.ImageDraw, outline: str, x: float, y: float, radius: float, colour: _Colour
) -> None:
    if outline == "circle":
        _disc(draw, x, y, radius, colour)
    else:
        corners, turn = _OUTLINES[outline]
        draw.polygon(polygon(corners, x, y, radius, turn), fill=colour)


def _draw_mark(
    draw: ImageDraw.ImageDraw, mark: str, x: float, y: float, radius: float, colour: _Colour
) -> None:
    reach, width = 0.36 * radius, max(2, int(0.2 * radius))
    match mark:
        case "bar":
            draw.rectangle((x - reach, y - width / 2, x + reach, y + width / 2), fill=colour)
        case "arrow right":
            draw.line((x - reach, y, x + reach, y), fill=colour, width=width)
            base = x + reach
            head = [(base, y - 0.7 * reach), (base + 0.5 * reach, y), (base, y + 0.7 * reach)]
            draw.polygon(head, fill=colour)
        case "arrow up":
            draw.line((x, y + reach, x, y - reach), fill=colour, width=width)
            base = y - reach
            head = [(x - 0.7 * reach, base), (x, base - 0.5 * reach), (x + 0.7 * reach, base)]
            draw.polygon(head, fill=colour)
        case "exclamation":
            draw.line((x, y - reach, x, y + 0.3 * reach), fill=colour, width=width)
            _disc(draw, x, y + 0.6 * reach + width / 2, width / 2, colour)
        case "cross":
            draw.line((x - reach, y, x + reach, y), fill=colour, width=width)
            draw.line((x, y - reach, x, y + reach), fill=colour, width=width)
        case "letter":
            bold = font("DejaVuSans-Bold.ttf", int(0.9 * radius))
            draw.text((x, y), "P", font=bold, fill=colour, anchor="mm")
