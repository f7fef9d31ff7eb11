"""One look for all figures: readable in print, in grey and by colour-blind people."""

from collections.abc import Iterable, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tangent.arithmetic.modes import MODES

# Okabe & Ito's palette: distinguishable with every common colour-vision deficiency.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY, LIGHT = "#5F6B76", "#D9DEE3"

_COLOURS = (BLUE, ORANGE, VERMILLION, GREEN, PURPLE, SKY)
_LINES = ("-", (0, (5, 2)), (0, (1.2, 1.2)), "-.", (0, (8, 2)), (0, (3, 1, 1, 1, 1, 1)))
_MARKERS = ("o", "s", "^", "D", "v", "P")
MODE_LOOKS = {
    mode: {"color": colour, "linestyle": line, "marker": marker}
    for mode, (colour, line, marker) in zip(
        MODES, cycle(zip(_COLOURS, _LINES, _MARKERS, strict=True)), strict=False
    )
}
"""Colour, line and marker of each mode, as Matplotlib's keywords."""
MODE_COLOURS = {mode: look["color"] for mode, look in MODE_LOOKS.items()}
MODEL_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
MODEL_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "h")
# Paul Tol's "muted" palette and black: more colours than the above, as distinguishable.
TASK_COLOURS = (
    "#332288", "#88CCEE", "#CC6677", "#117733", "#DDCC77", "#AA4499", "#44AA99", "#882255",
    "#999933", "#000000",
)  # fmt: skip

DASHED: dict[str, Any] = {"color": GREY, "linewidth": 1.0, "linestyle": (0, (4, 3))}
WHITE_EDGE = {"markeredgecolor": "white", "markeredgewidth": 0.6}


def mode_handles(modes: Iterable[str], **sizes: Any) -> list[Line2D]:
    """A legend's entry for each mode."""
    return [Line2D([], [], **MODE_LOOKS[mode], **sizes, label=mode) for mode in modes]


def draw_seeds(
    axes: Axes, rows: pd.DataFrame, x: str, y: str, scale: float = 1, **look: Any
) -> None:
    """`scale` × the mean of `y` at each `x`: over seeds as a line, their range as a band."""
    curves = scale * rows.groupby([x, "seed"])[y].mean().unstack("seed").dropna(how="all")
    axes.plot(curves.index, curves.mean(axis=1), **look)
    if curves.shape[1] > 1:
        low, high = curves.min(axis=1), curves.max(axis=1)
        axes.fill_between(curves.index, low, high, color=look["color"], alpha=0.15, linewidth=0)


def new_figure(width: float, height: float) -> Figure:
    """A figure of `width` × `height` inches in the house style."""
    style = Path(__file__).with_name("house.mplstyle")
    mpl.rcParams.update(mpl.rc_params_from_file(style, use_default_template=False))
    return Figure(figsize=(width, height), layout="constrained")


def assigned(looks: Sequence[str], names: Iterable[str]) -> dict[str, str]:
    """A colour or a marker for each name, in the order given."""
    return dict(zip(names, cycle(looks), strict=False))
