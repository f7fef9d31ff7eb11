"""Figure 2: non-linear advantage, what post-hoc linearization costs on single tasks."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tangent.report.figures import scatter, style
from tangent.report.figures.catalogue import Caption

INPUTS = ("single_task", "addition")
COMPARES = ("standard", "posthoc")

CAPTION = Caption(
    "Figure 2. Non-linear advantage",
    "Left: single-task test accuracy of the post-hoc linearized model against the standard one, "
    "both from the same standard fine-tuning; a marker is a model, a colour a task. Below the "
    "diagonal, linearizing costs accuracy. Right: what it costs, (standard − posthoc) / (1 − 1/C) "
    "for a task of C classes, so that 1 is all that there is above chance.{% if seeds > 1 %} Bars "
    "are standard deviations over seeds.{% endif %}",
    "It says nothing about sums of task vectors.",
)


def describe(tables: dict[str, pd.DataFrame]) -> str:
    """Of the differences `posthoc` − `standard`."""
    return scatter.describe(tables, *COMPARES)


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Left: `posthoc` against `standard`. Right: their difference, over 1 − 1/C of C classes."""
    figure, test, looks = scatter.compare_modes(tables, *COMPARES, width=9.0, panels=2)
    _draw_advantages(figure.axes[1], test, looks)
    return figure


def _draw_advantages(axes: Axes, test: pd.DataFrame, looks: scatter.Looks) -> None:
    """A row per task, and in it a point per model, below each other: means over seeds."""
    posthoc = test[test["mode"] == "posthoc"]
    advantages = posthoc.groupby(["model", "task"], sort=False).nonlinear_advantage
    means, spreads = advantages.mean(), advantages.std(ddof=1).fillna(0.0)
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
