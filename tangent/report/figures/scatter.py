"""Points of single tasks, as figures 2 and 5 show them: a marker per model, a colour per task."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tangent.report.figures import style
from tangent.results.render import decimal


class Looks(NamedTuple):
    """How a point shows what it belongs to: the marker of each model, the colour of each task."""

    markers: dict[str, str]
    colours: dict[str, str]


def compare_modes(
    tables: dict[str, pd.DataFrame], x: str, y: str, width: float, panels: int = 1
) -> tuple[Figure, pd.DataFrame, Looks]:
    """A figure whose first panel has the test accuracy of mode `y` against that of mode `x`.

    Its models are those that are studied as they were given. Further `panels` beside it are empty.

    Returns:
        The figure with its legend, `width` inches wide; the rows of `single_task` that it shows;
        and their looks.
    """
    test = _tests(tables)
    markers = style.assigned(style.MODEL_MARKERS, test.model.unique())
    looks = Looks(markers, style.assigned(style.TASK_COLOURS, test.task.unique()))
    legend_height = 0.2 * (len(looks.markers) + len(looks.colours) + 3) + 0.2
    figure = style.new_figure(width, max(3.9, legend_height))
    axes, *_ = figure.subplots(1, panels, squeeze=False).flat
    _draw_accuracies(axes, test, looks, x, y)
    _add_legend(figure, looks)
    return figure, test[test["mode"].isin([x, y])], looks


def describe(tables: dict[str, pd.DataFrame], x: str, y: str) -> str:
    """How many points lie below the diagonal, and the extreme differences."""
    means, _ = _accuracies(_tests(tables))
    differences = means[y] - means[x]
    least, most = (
        f"{decimal(differences[at], 1, '+')} ({', '.join(at)})"
        for at in (differences.idxmin(), differences.idxmax())
    )
    return (
        f"{(differences < 0).sum()} of {len(differences)} points lie below the diagonal: "
        f"{y} − {x} from {least} to {most} points."
    )


def _tests(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Test accuracies of all modes, of the models that are studied as they were given."""
    table = tables["single_task"].query("split == 'test' and mode != 'zero_shot'")
    return table[table.model.isin(tables["addition"].model)]


def _accuracies(test: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """In %, [model and task, mode]: means over seeds and standard deviations."""
    accuracy = 100 * test.pivot_table(
        index=["model", "task", "seed"], columns="mode", values="accuracy", sort=False
    )
    points = accuracy.groupby(["model", "task"], sort=False)
    return points.mean(), points.std(ddof=1).fillna(0.0)


def _draw_accuracies(axes: Axes, test: pd.DataFrame, looks: Looks, x: str, y: str) -> None:
    """Means over seeds, their standard deviations as bars, and the diagonal of equal axes."""
    means, spreads = _accuracies(test)
    # Of all modes: figures 2 and 5 have the same axes.
    low, high = (means - spreads).min(axis=None), (means + spreads).max(axis=None)
    margin = max(2.0, 0.06 * (high - low))
    ends = max(float(np.floor(low - margin)), -1.0), min(float(np.ceil(high + margin)), 101.0)
    axes.plot(ends, ends, **style.DASHED)
    for (model, task), mean in means.iterrows():
        spread = spreads.loc[model, task]
        draw_point(axes, looks, model, task, (mean[x], mean[y]), (spread[x], spread[y]))
    axes.set(xlim=ends, ylim=ends, aspect="equal")
    axes.set_xlabel(f"{x}, single-task accuracy (%)")
    axes.set_ylabel(f"{y}, single-task accuracy (%)")
    axes.locator_params(nbins=6)


Pair = tuple[float, float]


def draw_point(axes: Axes, looks: Looks, model: str, task: str, at: Pair, spread: Pair) -> None:
    """A point (x, y) with bars of length `spread` to both sides; 0 draws none."""
    marker, colour = looks.markers[model], looks.colours[task]
    bars = {"xerr": spread[0] or None, "yerr": spread[1] or None}
    axes.errorbar(*at, **bars, fmt="none", ecolor=(colour, 0.5), elinewidth=0.8)
    axes.plot(
        *at, marker=marker, markersize=_size(marker), color=colour, markeredgecolor="white",
        markeredgewidth=0.8, clip_on=False, zorder=3,
    )  # fmt: skip


def _add_legend(figure: Figure, looks: Looks) -> None:
    """Models and tasks, beside the axes; the dashed line is equal accuracy."""
    heading = {"color": "none"}
    legend = figure.legend(
        handles=[
            Line2D([], [], **heading, label="model"),
            *(
                Line2D([], [], linestyle="", marker=marker, markersize=0.85 * _size(marker),
                       color=style.GREY, markeredgecolor="white", label=model)
                for model, marker in looks.markers.items()
            ),
            Line2D([], [], **heading, label="task"),
            *(
                Line2D([], [], color=colour, linewidth=5, solid_capstyle="butt", label=task)
                for task, colour in looks.colours.items()
            ),
            Line2D([], [], **style.DASHED, label="equal"),
        ],
        loc="outside right upper", handlelength=1.6,
    )  # fmt: skip
    for row in (0, len(looks.markers) + 1):
        legend.get_texts()[row].set_fontweight("bold")


def _size(marker: str) -> float:
    # Stars and crosses fill less of their box than discs.
    return 11.0 if marker in "*PX" else 8.0
