"""Beyond the paper: task addition over subsets of every size."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from tangent.report.figures import style
from tangent.report.figures.catalogue import Caption
from tangent.results.studied import modes_in, task_means

INPUTS = ("subsets", "single_task")

_SIZES = {"linewidth": 1.8, "markersize": 6, **style.WHITE_EDGE}
_PANELS = (("absolute", "mean accuracy (%)"), ("normalized", "normalised accuracy (%)"))

CAPTION = Caption(
    "Beyond the paper: sums of fewer tasks",
    "{% set most, tasks = config.combinations.subsets_per_size, config.tasks | length %}Test "
    "accuracy of θ₀ + α Σ τ over subsets of the tasks, on the subset's own tasks, against their "
    "number; α is chosen for each subset on validation data. "
    "{% if comb(tasks, tasks // 2) <= most %}All subsets of every size.{% else %}Of each size all "
    "subsets, or {{ most }} at random where there are more.{% endif %}{% if seeds > 1 %} A subset "
    "counts with its mean over seeds.{% endif %} Lines are means over subsets, bands ± one "
    "standard deviation. Dashed: the pre-trained model, and the single tasks' own accuracy.",
    "A subset's tasks are easy or hard by themselves: a band shows that too. For the standard "
    "mode the model would have to run for every subset and α; it is left out.",
)


def describe(tables: dict[str, pd.DataFrame]) -> str:
    """Normalised accuracy at the ends of the axis."""
    texts = []
    for (model, mode), rows in tables["subsets"].groupby(["model", "mode"], sort=False):
        means = 100 * rows.groupby("size").normalized.mean()
        texts.append(
            f"{model}, {mode}: {means.iloc[0]:.1f} % with {means.index[0]}, "
            f"{means.iloc[-1]:.1f} % with {means.index[-1]}"
        )
    return f"Curves against the number of tasks. Mean normalised accuracy of {'; '.join(texts)}."


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """A row per model: absolute and normalised test accuracy against the number of tasks added."""
    subsets = tables["subsets"]
    models, modes = list(subsets.model.unique()), modes_in(subsets)
    figure = style.new_figure(7.4, 0.5 + 2.7 * len(models))
    grid = figure.subplots(len(models), len(_PANELS), squeeze=False)
    for row, model in zip(grid, models, strict=True):
        of_model = subsets[subsets.model == model]
        references = (100 * task_means(tables, model, "zero_shot").mean(), 100.0)
        for axes, (column, label), reference in zip(row, _PANELS, references, strict=True):
            for mode in modes:
                _curve(axes, of_model[of_model["mode"] == mode], column, mode)
            axes.axhline(reference, **style.DASHED)
            axes.set(xlabel="number of tasks added", ylabel=label)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(models) > 1:
            row[0].set_title(model)
    handles = [
        *style.mode_handles(modes, **_SIZES),
        Patch(color=style.GREY, alpha=0.2, linewidth=0, label="± standard deviation of subsets"),
        Line2D([], [], **style.DASHED, label="pre-trained; single task"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _curve(axes: Axes, rows: pd.DataFrame, column: str, mode: str) -> None:
    subsets = 100 * rows.groupby(["size", "subset"])[column].mean()
    mean = subsets.groupby("size").mean()
    spread = subsets.groupby("size").std(ddof=1)
    axes.plot(mean.index, mean, **style.MODE_LOOKS[mode], **_SIZES)
    # There is one subset of all tasks, and nothing to spread: the band ends before it.
    several = spread.dropna().index
    low, high = (mean - spread)[several], (mean + spread)[several]
    axes.fill_between(several, low, high, color=style.MODE_COLOURS[mode], alpha=0.15, linewidth=0)
