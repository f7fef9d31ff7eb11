"""Points of single tasks, as figures 2 and 5 show them: a marker per model, a colour per task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tangent.report.figures import style


@dataclass(frozen=True)
class Looks:
    """How a point shows what it belongs to.

    Attributes:
        markers: of each model.
        colours: of each task.
    """

    markers: dict[str, str]
    colours: dict[str, str]

    @classmethod
    def of(cls, test: pd.DataFrame) -> Looks:
        """Of all models and tasks of a table, in its order."""
        markers = style.assigned(style.MODEL_MARKERS, test.model.unique())
        return cls(markers, style.assigned(style.TASK_COLOURS, test.task.unique()))

    @property
    def legend_height(self) -> float:
        """Inches that a figure with a legend is high, at least."""
        return 0.2 * (len(self.markers) + len(self.colours) + 3) + 0.2


def single_task_results(tables: dict[str, pd.DataFrame], modes: list[str]) -> pd.DataFrame:
    """Rows of the test split, these modes and the models that are studied as they were given."""
    table, models = tables["single_task"], tables["addition"].model.unique()
    return table[(table.split == "test") & table.model.isin(models) & table["mode"].isin(modes)]


def draw_accuracies(axes: Axes, test: pd.DataFrame, looks: Looks, x: str, y: str) -> None:
    """Test accuracy of mode `y` against mode `x`, with equal axes and their diagonal.

    Points are means over seeds; with several seeds, bars are their standard deviation.
    """
    accuracy = 100 * test.pivot_table(
        index=["model", "task", "seed"], columns="mode", values="accuracy", sort=False
    )
    points = accuracy.groupby(["model", "task"], sort=False)
    means, spreads = points.mean(), points.std(ddof=1).fillna(0.0)
    low, high = _limits(means - spreads, means + spreads)
    axes.plot([low, high], [low, high], **style.DASHED)
    for (model, task), mean in means.iterrows():
        spread = spreads.loc[model, task]
        draw_point(axes, looks, model, task, (mean[x], mean[y]), (spread[x], spread[y]))
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
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


def add_legend(figure: Figure, looks: Looks) -> None:
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


def _limits(lowest: pd.DataFrame, highest: pd.DataFrame) -> tuple[float, float]:
    low, high = lowest.to_numpy().min(), highest.to_numpy().max()
    margin = max(2.0, 0.06 * (high - low))
    return max(float(np.floor(low - margin)), -1.0), min(float(np.ceil(high + margin)), 101.0)
