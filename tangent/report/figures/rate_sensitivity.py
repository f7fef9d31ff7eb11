"""Sensitivity to the learning rate: task addition against single-task validation accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tangent.arithmetic.modes import MODES
from tangent.jobs.errors import UserError
from tangent.report.figures import style
from tangent.report.figures.catalogue import Caption
from tangent.results.studied import modes_in

if TYPE_CHECKING:
    from tangent.config.schema import Config

INPUTS = ("rate_sensitivity",)

_SIZES = {"linewidth": 1.0, "markersize": 6, "markeredgecolor": "white"}


def caption(config: Config) -> Caption:
    """The text around it."""
    return Caption(
        "What hangs on the learning rate",
        "Task addition on test data, at the α that validation chose, against mean single-task "
        "validation accuracy: the same pre-trained weights, fine-tuned at several learning rates. "
        "A point is a rate, written beside it"
        + (", mean over the seeds." if config.seeds[1:] else ".")
        + " Lines join neighbouring rates. A rule that chooses by single tasks takes the rightmost "
        "point of each training.",
        "Choosing among these points by their height would be choosing on test data.",
    )


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Two panels, absolute and normalised; a point per rate and mode, the mean over seeds.

    Raises:
        UserError: the study compares no learning rates.
    """
    table = tables["rate_sensitivity"]
    if table.empty:
        raise UserError(
            "rate_sensitivity.csv is empty: list models of the same weights, with learning rates "
            "of their own, under rate_sensitivity.models."
        )
    # A mode per training: the post-hoc one adds the standard training's task vectors.
    modes = [mode for mode in modes_in(table) if MODES[mode].trained_as == mode]
    columns = ["single_task", "absolute", "normalized"]
    means = 100 * table.groupby(["mode", "rate"])[columns].mean()
    figure = style.new_figure(7.4, 3.6)
    absolute, normalized = figure.subplots(1, 2, sharex=True)
    panels = {"absolute": (absolute, "absolute"), "normalized": (normalized, "normalised")}
    for column, (axes, title) in panels.items():
        for mode in modes:
            labels = (5, "left") if mode == modes[0] else (-5, "right")
            _curve(axes, means.loc[mode], column, mode, labels)
        axes.set(title=f"task addition, {title}", ylabel="test accuracy (%)")
        axes.set_xlabel("single-task validation accuracy (%)")
        axes.margins(0.18)
    handles = style.mode_handles(modes, **_SIZES)
    figure.legend(handles=handles, loc="outside lower center", ncols=len(modes))
    return figure


def _curve(
    axes: Axes, points: pd.DataFrame, column: str, mode: str, labels: tuple[int, str]
) -> None:
    """The points in the order of their rates, each with its rate beside it."""
    points = points.sort_index()
    axes.plot(points.single_task, points[column], **style.mode_look(mode), **_SIZES)
    # The trainings' points lie close together: each has its labels on a side of its own.
    side, place = labels
    for rate, point in points.iterrows():
        axes.annotate(
            f"{rate:g}", (point.single_task, point[column]), xytext=(side, 4), ha=place,
            textcoords="offset points", color=style.MODE_COLOURS[mode],
        )  # fmt: skip
