"""Validation accuracy against α: how addition and negation chose their coefficients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tangent.arithmetic.modes import MODES
from tangent.report.figures import style
from tangent.report.figures.catalogue import Caption

if TYPE_CHECKING:
    from tangent.config.schema import Config

INPUTS = ("alpha_sweep", "addition", "negation")


def caption(config: Config) -> Caption:
    """The text around it."""
    return Caption(
        "Choosing α",
        "Accuracy on validation data against the coefficient α. Left: sum of all task vectors, "
        "mean normalised accuracy. Middle and right: negation, accuracy on the target task and, "
        "relative to the pre-trained model, on the control task. Lines are means over the tasks"
        + (" and seeds, bands the range over seeds. " if config.seeds[1:] else ". ")
        + "A marker is a chosen α: for negation one per task, at that task's own accuracy.",
        "Test data play no part here. A mean below the threshold is no contradiction: α is chosen, "
        "and the threshold kept, for each task by itself.",
    )


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """A row per model: addition, negation's target, negation's control, all on validation data.

    Lines are means over tasks and seeds, bands the range over seeds. Markers are chosen α: one per
    seed for addition; one per task and seed for negation, at that task's own accuracy.
    """
    models = list(tables["addition"].model.unique())
    figure = style.new_figure(9.4, 0.6 + 2.7 * len(models))
    grid = figure.subplots(len(models), 3, squeeze=False)
    for row, model in zip(grid, models, strict=True):
        sweep = tables["alpha_sweep"].query("model == @model")
        added = sweep.query("operation == 'addition'")
        negated = sweep.query("operation == 'negation'")
        chosen = tables["negation"].query("model == @model")
        _addition(row[0], added, tables["addition"].query("model == @model"))
        _negation(row[1], negated[negated.task == negated.target], chosen, "target")
        _negation(row[2], negated[negated.task != negated.target], chosen, "control")
        threshold = 100 * chosen.control_threshold.iloc[0]
        row[2].axhline(threshold, color=style.GREY, linewidth=1.0, linestyle=(0, (4, 3)))
        row[2].annotate(
            f"threshold {threshold:g} %", (0, threshold), xytext=(2, -3), va="top",
            textcoords="offset points", color=style.GREY,
        )  # fmt: skip
        name = f"{model}\n" if len(models) > 1 else ""
        row[0].set_title(f"{name}addition")
        row[1].set_title(f"{name}negation, target task")
        row[2].set_title(f"{name}negation, control task")
        row[0].set_ylabel("normalised accuracy (%)")
        row[1].set_ylabel("accuracy (%)")
        row[2].set_ylabel("% of pre-trained accuracy")
    for axes in grid.flat:
        axes.set(xlim=(-0.03, 1.03), xlabel="α")
    figure.legend(handles=_handles(), loc="outside lower center", ncols=4)
    return figure


def _addition(axes: Axes, sweep: pd.DataFrame, chosen: pd.DataFrame) -> None:
    for mode in MODES:
        curves = _curves(axes, sweep[sweep["mode"] == mode], "normalized", mode)
        for row in chosen[chosen["mode"] == mode].itertuples():
            # The α of a result is a grid point; nearest guards against its last digit.
            at = curves[row.seed].reindex([row.alpha], method="nearest").iloc[0]
            _mark(axes, mode, row.alpha, at, size=8)


def _negation(axes: Axes, sweep: pd.DataFrame, chosen: pd.DataFrame, what: str) -> None:
    column = "accuracy" if what == "target" else "normalized"
    for mode in MODES:
        rows = sweep[sweep["mode"] == mode]
        _curves(axes, rows, column, mode)
        for row in chosen[chosen["mode"] == mode].itertuples():
            one = rows[(rows.target == row.task) & (rows.seed == row.seed)].set_index("alpha")
            at = 100 * one[column].reindex([row.alpha], method="nearest").iloc[0]
            _mark(axes, mode, row.alpha, at, size=4)


def _curves(axes: Axes, sweep: pd.DataFrame, column: str, mode: str) -> pd.DataFrame:
    """Draw the mean over tasks; returns it per seed in percent, [alpha, seed]."""
    curves = 100 * sweep.groupby(["alpha", "seed"])[column].mean().unstack("seed")
    colour = style.MODE_COLOURS[mode]
    axes.plot(
        curves.index, curves.mean(axis=1), color=colour, linestyle=style.MODE_LINES[mode],
        linewidth=1.8,
    )  # fmt: skip
    if curves.shape[1] > 1:
        low, high = curves.min(axis=1), curves.max(axis=1)
        axes.fill_between(curves.index, low, high, color=colour, alpha=0.15, linewidth=0)
    return curves


def _mark(axes: Axes, mode: str, alpha: float, at: float, size: float) -> None:
    axes.plot(
        alpha, at, marker=style.MODE_MARKERS[mode], markersize=size, linestyle="",
        color=style.MODE_COLOURS[mode], markeredgecolor="white", markeredgewidth=0.6, zorder=3,
    )  # fmt: skip


def _handles() -> list[Line2D]:
    handles = [
        Line2D([], [], **style.mode_look(name), linewidth=1.8, markersize=6, label=name,
               markeredgecolor="white", markeredgewidth=0.6)
        for name in MODES
    ]  # fmt: skip
    marker = Line2D([], [], color=style.GREY, linestyle="", marker="o", label="marker: chosen α")
    return [*handles, marker]
