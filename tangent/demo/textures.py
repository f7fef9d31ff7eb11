"""The domain of procedural two-colour textures."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from tangent.demo.drawing import CANVAS, PALETTE, Picture, contrasting_colours

# In the order of the classes in tangent/tasks/patterns.yaml.
PATTERNS = (
    "striped",
    "dotted",
    "checkered",
    "zigzag",
    "grid",
    "wavy",
    "spiral",
    "cracked",
    "woven",
    "blotchy",
)


def pattern(rng: np.random.Generator, label: int, harder: bool) -> Picture:
    """Fill the canvas with a texture of random direction, scale and phase."""
    foreground, background = contrasting_colours(rng)
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
