"""One look for all figures: readable in print, in grey and by colour-blind people."""

from __future__ import annotations

from collections.abc import Iterable

import matplotlib as mpl
from matplotlib.figure import Figure

# Okabe & Ito's palette: distinguishable with every common colour-vision deficiency.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY, LIGHT = "#5F6B76", "#D9DEE3"

MODE_COLOURS = {"standard": BLUE, "posthoc": ORANGE, "linear": VERMILLION}
MODE_MARKERS = {"standard": "o", "posthoc": "s", "linear": "^"}
MODE_LINES: dict[str, object] = {"standard": "-", "posthoc": (0, (5, 2)), "linear": (0, (1.2, 1.2))}
MODEL_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
MODEL_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "h")
# Paul Tol's "muted" palette and black: more colours than the above, as distinguishable.
TASK_COLOURS = (
    "#332288", "#88CCEE", "#CC6677", "#117733", "#DDCC77", "#AA4499", "#44AA99", "#882255",
    "#999933", "#000000",
)  # fmt: skip

TEXT_SIZE = 9.0  # of all text in all figures

_STYLE = {
    "font.family": "sans-serif",
    # Text stays text, so that it can be searched; Verdana has DejaVu Sans's widths.
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
    "font.size": TEXT_SIZE,
    "axes.titlesize": TEXT_SIZE,
    "axes.labelsize": TEXT_SIZE,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": LIGHT,
    "grid.linewidth": 0.6,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": "black",
    "ytick.labelcolor": "black",
    "xtick.labelsize": TEXT_SIZE,
    "ytick.labelsize": TEXT_SIZE,
    "legend.frameon": False,
    "legend.fontsize": TEXT_SIZE,
    "svg.fonttype": "none",
    "svg.hashsalt": "tangent",
    "pdf.fonttype": 42,
    "figure.dpi": 100,
}


def mode_look(mode: str) -> dict[str, object]:
    """Colour, line and marker of a mode, as Matplotlib's keywords."""
    return {
        "color": MODE_COLOURS[mode], "linestyle": MODE_LINES[mode], "marker": MODE_MARKERS[mode],
    }  # fmt: skip


def new_figure(width: float, height: float) -> Figure:
    """A figure of `width` × `height` inches in the house style."""
    mpl.rcParams.update(_STYLE)
    return Figure(figsize=(width, height), layout="constrained")


def task_colours(tasks: Iterable[str]) -> dict[str, str]:
    """A colour for each task, in the order given."""
    return {task: TASK_COLOURS[i % len(TASK_COLOURS)] for i, task in enumerate(tasks)}


def model_markers(models: Iterable[str]) -> dict[str, str]:
    """A marker for each model, in the order given."""
    return {model: MODEL_MARKERS[i % len(MODEL_MARKERS)] for i, model in enumerate(models)}


def model_colours(models: Iterable[str]) -> dict[str, str]:
    """A colour for each model, in the order given."""
    return {model: MODEL_COLOURS[i % len(MODEL_COLOURS)] for i, model in enumerate(models)}
