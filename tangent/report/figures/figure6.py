"""Figure 6: local energy of the kernel's leading eigenfunctions on each data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from tangent.report.figures import style
from tangent.report.figures.catalogue import Caption

if TYPE_CHECKING:
    from tangent.config.schema import Config

INPUTS = ("eigenfunctions", "random_init")


def caption(config: Config) -> Caption:
    """The text around it."""
    kernels = config.eigenfunctions
    return Caption(
        "Figure 6. Eigenfunction localization",
        f"Local energy E(x) = Σ φ(x)² of the k = {kernels.components} leading eigenfunctions of "
        f"the kernel at θ₀ on n = {kernels.images} training examples of one task, for held-out "
        f"examples of that task and examples of the other data sets. {_kernels(kernels.logits)}"
        + (" and seeds" if config.seeds[1:] else "")
        + ": median, quartiles, whiskers from the 5th to the 95th percentile, mean as a diamond; "
        "the axis is logarithmic. On the sample itself the mean is k by construction. Localized: "
        "much energy on the task, little elsewhere.",
        "A finite sample estimates the leading eigenfunctions only. The random initialisation "
        "shows its own study's tasks.",
    )


def _kernels(logits: int | str) -> str:
    """Which kernels there are, and what a box pools."""
    if logits == "all":
        return (
            "One kernel of all the task's output logits together, its eigenfunctions φ(x) vectors "
            "with an entry for each and φ(x)² their squared length; a box pools examples"
        )
    drawn = "one class" if logits == 1 else f"{logits} classes"
    return (
        f"One kernel per output logit ({drawn} of the task, drawn with the seed); a box "
        "pools examples and logits"
    )


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Local energies as distributions: a column per kernel's task, a row per model."""
    energies = tables["eigenfunctions"]
    energies = energies[energies.split == "test"]
    models = list(energies.model.unique())
    tasks = list(energies.task.unique())
    datasets = list(energies.dataset.unique())
    heights = [energies[energies.model == model].dataset.nunique() for model in models]
    figure = style.new_figure(1.5 + 2.35 * len(tasks), 0.9 + 0.27 * sum(h + 2.2 for h in heights))
    grid = figure.subplots(
        len(models), len(tasks), squeeze=False, sharex=True, sharey="row",
        gridspec_kw={"height_ratios": [height + 0.5 for height in heights]},
    )  # fmt: skip
    for row, model in zip(grid, models, strict=True):
        shown = [d for d in datasets if d in set(energies[energies.model == model].dataset)]
        for axes, task in zip(row, tasks, strict=True):
            values = energies.query("model == @model and task == @task")
            if values.empty:
                axes.axis("off")
                continue
            _panel(axes, values, task, shown)
            axes.set_title(f"kernel of {task}")
        first = next(axes for axes in row if axes.axison)
        first.yaxis.set_tick_params(labelleft=True)
        if len(models) > 1:
            first.set_ylabel(_row_title(tables["random_init"], model), fontweight="bold")
    for column in grid.T:
        bottom = [axes for axes in column if axes.axison][-1]
        bottom.set_xlabel("local energy")
        bottom.xaxis.set_tick_params(labelbottom=True)
    handles = [
        Patch(color=style.VERMILLION, label="held-out examples of the kernel's own task"),
        Patch(color=style.SKY, label="other data sets"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _row_title(random_init: pd.DataFrame, model: str) -> str:
    random = model in set(random_init[random_init.initialization == "random"].model)
    # Other models need not be pre-trained: one may be a step of a pre-training, even the first.
    return f"{model}\nrandom initialisation" if random else model


def _panel(axes: Axes, values: pd.DataFrame, task: str, datasets: list[str]) -> None:
    groups = [values[values.dataset == dataset].energy.to_numpy() for dataset in datasets]
    boxes = axes.boxplot(
        groups, orientation="horizontal", whis=(5, 95), showfliers=False, showmeans=True,
        widths=0.66, patch_artist=True, medianprops={"color": "black", "linewidth": 1.2},
        meanprops={"marker": "D", "markersize": 4, "markerfacecolor": "white",
                   "markeredgecolor": "black", "markeredgewidth": 0.8},
        whiskerprops={"color": style.GREY}, capprops={"color": style.GREY},
    )  # fmt: skip
    for box, dataset in zip(boxes["boxes"], datasets, strict=True):
        colour = style.VERMILLION if dataset == task else style.SKY
        box.set(facecolor=colour, edgecolor=style.GREY, linewidth=0.7)
    axes.set_yticks(range(1, len(datasets) + 1), datasets)
    axes.set_ylim(len(datasets) + 0.6, 0.4)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(numticks=6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="y", visible=False)
