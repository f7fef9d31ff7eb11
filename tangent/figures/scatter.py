"""Single-task accuracy of one mode against another (figures 2 and 5)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tangent.figures import style
from tangent.modes import MODES


def draw_scatter(single_task: pd.DataFrame, models: list[str], x: str, y: str) -> Figure:
    """Test accuracy of mode `y` against mode `x`: one marker per task, one colour per model.

    Points are means over seeds; with several seeds, bars are their standard deviation.
    """
    test = single_task.query("split == 'test' and model in @models and mode in [@x, @y]")
    accuracy = 100 * test.pivot_table(
        index=["model", "task", "seed"], columns="mode", values="accuracy", sort=False
    )
    points = accuracy.groupby(["model", "task"], sort=False)
    means, spreads = points.mean(), points.std(ddof=1).fillna(0.0)
    tasks = list(test.task.unique())
    markers, colours = style.task_markers(tasks), style.model_colours(models)

    figure = style.new_figure(5.2, 3.9)
    axes = figure.subplots()
    low, high = _limits(means - spreads, means + spreads)
    axes.plot([low, high], [low, high], color=style.GREY, linewidth=1.0, linestyle=(0, (4, 3)))
    for (model, task), mean in means.iterrows():
        spread = spreads.loc[model, task]
        axes.errorbar(
            mean[x], mean[y], xerr=spread[x] or None, yerr=spread[y] or None,
            marker=markers[task], markersize=_size(markers[task]), color=colours[model],
            markeredgecolor="white", markeredgewidth=0.8, ecolor=(colours[model], 0.45),
            elinewidth=0.8,
        )  # fmt: skip
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.set_xlabel(f"{MODES[x].label}, single-task accuracy (%)")
    axes.set_ylabel(f"{MODES[y].label}, single-task accuracy (%)")
    axes.locator_params(nbins=6)
    figure.legend(handles=_handles(markers, colours), loc="outside right upper")
    return figure


def _size(marker: str) -> float:
    # Stars and crosses fill less of their box than discs.
    return 11.0 if marker in "*PX" else 8.0


def _limits(lowest: pd.DataFrame, highest: pd.DataFrame) -> tuple[float, float]:
    low, high = lowest.to_numpy().min(), highest.to_numpy().max()
    margin = max(2.0, 0.06 * (high - low))
    return float(np.floor(low - margin)), float(min(np.ceil(high + margin), 101.0))


def _handles(markers: dict[str, str], colours: dict[str, str]) -> list[Line2D]:
    only = next(iter(colours.values())) if len(colours) == 1 else style.GREY
    handles = [
        Line2D([], [], linestyle="", marker=marker, markersize=0.85 * _size(marker), color=only,
               markeredgecolor="white", markeredgewidth=0.8, label=task)
        for task, marker in markers.items()
    ]  # fmt: skip
    if len(colours) > 1:
        handles += [
            Line2D([], [], color=colour, linewidth=5, label=model)
            for model, colour in colours.items()
        ]
    equal = Line2D([], [], color=style.GREY, linestyle=(0, (4, 3)), linewidth=1.0, label="equal")
    return [*handles, equal]
