"""Task by task: what linear fine-tuning gains over the standard one, and what it costs."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tangent.report.figures import style
from tangent.report.figures.catalogue import Caption
from tangent.results.render import decimal

INPUTS = ("single_task", "addition_tasks", "addition")
COMPARES = ("standard", "linear")

CAPTION = Caption(
    "Linear − standard, task by task",
    "Differences of test accuracy in percentage points: right of 0 linear is better. Tasks in the "
    "order of the middle panel, last their mean.{% if seeds > 1 %} Points are means over "
    "{{ seeds }} seeds, bars ± one standard deviation, ticks the seeds.{% else %} One seed: no "
    "spread.{% endif %}",
    "A difference has the error of the task's test images too, as the claims' intervals do.",
)

_PANELS = {
    "single": "single task",
    "absolute": "addition, absolute",
    "normalized": "addition, normalised",
}
_MEAN = "mean"


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """A panel per quantity, in it a row per task and their mean, in each a point per model."""
    found = differences(tables)
    tasks, models = _order(found), list(found.index.unique("model"))
    points = dict(list(found.groupby(["model", "task"])))
    # A row is 1 high; the models' points stand in the middle of it.
    offsets = min(0.25, 0.7 / len(models)) * (np.arange(len(models)) - (len(models) - 1) / 2)
    figure = style.new_figure(6.9, 0.7 + max(0.25, 0.14 * len(models)) * len(tasks))
    panels = figure.subplots(1, len(_PANELS), sharey=True)
    for axes, (column, title) in zip(panels, _PANELS.items(), strict=True):
        axes.axvline(0, color=style.GREY, linewidth=1.0)
        for row in range(0, len(tasks), 2):
            axes.axhspan(row - 0.5, row + 0.5, color=(style.LIGHT, 0.4), linewidth=0, zorder=0)
        for i, model in enumerate(models):
            colour = style.MODEL_COLOURS[i % len(style.MODEL_COLOURS)] if models[1:] else None
            for row, task in enumerate(tasks):
                _point(axes, row + offsets[i], points[model, task][column], colour)
        if not models[1:]:
            # One model's numbers have room beside their panel.
            for row, task in enumerate(tasks):
                text = decimal(points[models[0], task][column].mean(), 1, "+")
                axes.annotate(
                    text, (1, row), xytext=(3, 0), va="center", textcoords="offset points",
                    xycoords=("axes fraction", "data"),
                )  # fmt: skip
        axes.set(title=title, xlabel="points")
        axes.margins(x=0.08)
        axes.locator_params(axis="x", nbins=5)
        axes.grid(False, axis="y")
        axes.tick_params(axis="y", length=0)
    panels[0].set_yticks(range(len(tasks)), tasks)
    panels[0].set_ylim(len(tasks) - 0.5, -0.5)  # the first task on top
    panels[0].get_yticklabels()[-1].set_fontweight("bold")
    if models[1:]:
        looks = style.assigned(style.MODEL_COLOURS, models).items()
        handles = [Line2D([], [], linestyle="", marker="o", color=c, label=m) for m, c in looks]
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def differences(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Linear − standard in points, [model, task and seed; quantity]; `mean` is the tasks' mean."""
    models = tables["addition"].model.unique()
    single = tables["single_task"].query("split == 'test'").assign(single=lambda _: _.accuracy)
    added = tables["addition_tasks"].rename(columns={"accuracy": "absolute"})
    columns = []
    for table, names in ((single, ["single"]), (added, ["absolute", "normalized"])):
        table = table[table.model.isin(models) & table["mode"].isin(COMPARES)]
        index = ["mode", "model", "task", "seed"]
        by_mode = 100 * table.set_index(index)[names]
        columns.append(by_mode.loc["linear"] - by_mode.loc["standard"])
    found = pd.concat(columns, axis=1)
    means = found.groupby(["model", "seed"], sort=False).mean().assign(task=_MEAN)
    means = means.set_index("task", append=True).reorder_levels(["model", "task", "seed"])
    return pd.concat([found, means])


def describe(tables: dict[str, pd.DataFrame]) -> str:
    """Of each quantity: the range over the tasks, and how many gain."""
    found = differences(tables).groupby(["model", "task"], sort=False).mean()
    tasks, texts = found.drop(_MEAN, level="task"), []
    for model, rows in tasks.groupby("model", sort=False):
        rows = rows.droplevel("model")
        for column, title in _PANELS.items():
            values = rows[column]
            least, most = (
                f"{decimal(values[task], 1, '+')} ({task})"
                for task in (values.idxmin(), values.idxmax())
            )
            texts.append(
                f"{model}, {title}: from {least} to {most} points, "
                f"{decimal(found.loc[(model, _MEAN), column], 1, '+')} on average, above 0 for "
                f"{(values > 0).sum()} of {len(values)} tasks"
            )
    return f"{'; '.join(texts)}."


def _order(found: pd.DataFrame) -> list[str]:
    means = found.absolute.groupby("task", sort=False).mean().drop(_MEAN)
    return [*means.sort_values(ascending=False, kind="stable").index, _MEAN]


def _point(axes: Axes, row: float, seeds: pd.Series, colour: str | None) -> None:
    """Mean over seeds, its standard deviation as a bar, and a tick per seed."""
    mean = seeds.mean()
    colour = colour or (style.BLUE if mean >= 0 else style.VERMILLION)
    if len(seeds) > 1:
        axes.errorbar(mean, row, xerr=seeds.std(ddof=1), fmt="none", ecolor=(colour, 0.6))
        axes.plot(seeds, [row] * len(seeds), linestyle="", marker="|", color=(colour, 0.7))
    axes.plot(mean, row, marker="o", markersize=6, color=colour, **style.WHITE_EDGE, zorder=3)
