"""Figure 2: non-linear advantage, what post-hoc linearization costs on single tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tangent.report.figures import scatter, style
from tangent.report.figures.catalogue import Caption

if TYPE_CHECKING:
    from tangent.config.schema import Config

INPUTS = ("single_task", "addition")


def caption(config: Config) -> Caption:
    """The text around it."""
    return Caption(
        "Figure 2. Non-linear advantage",
        "Left: single-task test accuracy of the post-hoc linearized model against the standard "
        "one, both from the same standard fine-tuning; a marker is a model, a colour a task. Below "
        "the diagonal, linearizing costs accuracy. Right: what it costs, (standard − posthoc) / "
        "(1 − 1/C) for a task of C classes, so that 1 is all that there is above chance."
        + (" Bars are standard deviations over seeds." if config.seeds[1:] else ""),
        "It says nothing about sums of task vectors.",
    )


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Left: `posthoc` against `standard`. Right: their difference, over 1 − 1/C of C classes."""
    test = scatter.single_task_results(tables, ["standard", "posthoc"])
    looks = scatter.Looks.of(test)
    figure = style.new_figure(9.0, max(3.9, looks.legend_height))
    left, right = figure.subplots(1, 2)
    scatter.draw_accuracies(left, test, looks, "standard", "posthoc")
    _draw_advantages(right, test, looks)
    scatter.add_legend(figure, looks)
    return figure


def _draw_advantages(axes: Axes, test: pd.DataFrame, looks: scatter.Looks) -> None:
    """A row per task, and in it a point per model, below each other: means over seeds."""
    rows = test[test["mode"] == "posthoc"].groupby(["model", "task"], sort=False)
    means = rows.nonlinear_advantage.mean()
    spreads = rows.nonlinear_advantage.std(ddof=1).fillna(0.0)
    tasks, models = list(looks.colours), list(looks.markers)
    # A row is 1 high; its points stand in the middle of it.
    offsets = min(0.25, 0.7 / len(models)) * (np.arange(len(models)) - (len(models) - 1) / 2)
    axes.axvline(0.0, **style.DASHED)
    for row in range(0, len(tasks), 2):
        axes.axhspan(row - 0.5, row + 0.5, color=(style.LIGHT, 0.4), linewidth=0, zorder=0)
    for (model, task), mean in means.items():
        y = tasks.index(task) + offsets[models.index(model)]
        scatter.draw_point(axes, looks, model, task, (mean, y), (spreads[model, task], 0.0))
    axes.set_yticks(range(len(tasks)), tasks)
    axes.set_ylim(len(tasks) - 0.5, -0.5)  # the first task on top
    axes.set_box_aspect(1)  # as the panel beside it
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.set_xlabel("normalised non-linear advantage")
    axes.locator_params(axis="x", nbins=6)
