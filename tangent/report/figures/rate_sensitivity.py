"""Sensitivity to the learning rate: task addition against single-task validation accuracy."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tangent.arithmetic.modes import MODES
from tangent.report.figures import style
from tangent.report.figures.catalogue import Caption
from tangent.results.studied import modes_in

INPUTS = ("rate_sensitivity",)

_SIZES = {"linewidth": 1.0, "markersize": 6, "markeredgecolor": "white"}

CAPTION = Caption(
    "What hangs on the learning rate",
    "Task addition on test data, at the α that validation chose, against mean single-task "
    "validation accuracy: the same pre-trained weights, fine-tuned at several learning rates. A "
    "point is a rate, written beside it{% if seeds > 1 %}, mean over the seeds{% endif %}. Lines "
    "join neighbouring rates. A rule that chooses by single tasks takes the rightmost point of "
    "each training.",
    "Choosing among these points by their height would be choosing on test data.",
)


def describe(tables: dict[str, pd.DataFrame]) -> str:
    """The best rate of each training, by single tasks and by addition."""
    table = tables["rate_sensitivity"]
    means = table.groupby(["mode", "rate"])[["single_task", "absolute"]].mean()
    texts = []
    for mode in _modes(table):
        best = means.loc[mode].idxmax()
        texts.append(
            f"{mode}: single tasks are best at rate {best.single_task:g}, addition at "
            f"{best.absolute:g}"
        )
    return f"A point per learning rate. {'; '.join(texts)}."


def _modes(table: pd.DataFrame) -> list[str]:
    # A mode per training: the post-hoc one adds the standard training's task vectors.
    return [mode for mode in modes_in(table) if MODES[mode].trained_as == mode]


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Two panels, absolute and normalised; a point per rate and mode, the mean over seeds."""
    table = tables["rate_sensitivity"]
    modes = _modes(table)
    panels = {"absolute": "absolute", "normalized": "normalised"}
    means = 100 * table.groupby(["mode", "rate"])[["single_task", *panels]].mean()
    figure = style.new_figure(7.4, 3.6)
    grid = figure.subplots(1, len(panels), sharex=True)
    for axes, (column, title) in zip(grid, panels.items(), strict=True):
        for mode in modes:
            _curve(axes, means.loc[mode], column, mode, "left" if mode == modes[0] else "right")
        axes.set(title=f"task addition, {title}", ylabel="test accuracy (%)")
        axes.set_xlabel("single-task validation accuracy (%)")
        axes.margins(0.18)
    handles = style.mode_handles(modes, **_SIZES)
    figure.legend(handles=handles, loc="outside lower center", ncols=len(modes))
    return figure


def _curve(axes: Axes, points: pd.DataFrame, column: str, mode: str, side: str) -> None:
    """The points in the order of their rates, each with its rate beside it."""
    axes.plot(points.single_task, points[column], **style.MODE_LOOKS[mode], **_SIZES)
    # The trainings' points lie close together: each has its labels on a side of its own.
    for rate, at in points[["single_task", column]].iterrows():
        axes.annotate(
            f"{rate:g}", tuple(at), xytext=(5 if side == "left" else -5, 4), ha=side,
            textcoords="offset points", color=style.MODE_COLOURS[mode],
        )  # fmt: skip
