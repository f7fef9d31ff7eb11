"""Figure 6: local energy of the kernel's leading eigenfunctions on each data set."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from tangent.report.figures import style
from tangent.report.figures.catalogue import Caption

INPUTS = ("eigenfunctions", "random_init")

_MARGIN = 0.1  # above the first box and below the last, of a row's height

CAPTION = Caption(
    "Figure 6. Eigenfunction localization",
    "{% set kernels = config.eigenfunctions %}Local energy E(x) = Σ φ(x)² of the k = "
    "{{ kernels.components }} leading eigenfunctions of the kernel at θ₀ on n = "
    "{{ kernels.images }} training examples of one task, for held-out examples of that task and "
    "examples of the other data sets. {% if kernels.logits == 'all' %}One kernel of all the "
    "task's output logits together, its eigenfunctions φ(x) vectors with an entry for each and "
    "φ(x)² their squared length; a box pools examples{% else %}One kernel per output logit "
    "({{ 'one class' if kernels.logits == 1 else kernels.logits ~ ' classes' }} of the task, "
    "drawn with the seed); a box pools examples and logits{% endif %}{% if seeds > 1 %} and "
    "seeds{% endif %}: median, quartiles, whiskers from the 5th to the 95th percentile, mean as a "
    "diamond; the axis is logarithmic. Dashed: the mean on the sample itself, k by construction. "
    "Localized: much energy on the task, little elsewhere.",
    "A finite sample estimates the leading eigenfunctions only. The random initialisation shows "
    "its own study's tasks.",
)


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Local energies as distributions: a column per kernel's task, a row per model."""
    energies = tables["eigenfunctions"]
    sample, energies = energies[energies.split == "sample"], energies[energies.split == "test"]
    tasks = energies.task.unique()
    datasets = energies.dataset.unique()
    shown = {
        model: [dataset for dataset in datasets if dataset in set(rows.dataset)]
        for model, rows in energies.groupby("model", sort=False)
    }
    # Other models need not be pre-trained: one may be a step of a pre-training, even the first.
    random = set(tables["random_init"].query("initialization == 'random'").model)
    heights = list(map(len, shown.values()))
    figure = style.new_figure(1.5 + 2.35 * len(tasks), 0.9 + 0.27 * sum(h + 2.2 for h in heights))
    grid = figure.subplots(
        len(shown), len(tasks), squeeze=False, sharex=True, sharey="row",
        # As the axes' limits: a box is equally high everywhere.
        gridspec_kw={"height_ratios": [height + 2 * _MARGIN for height in heights]},
    )  # fmt: skip
    for row, model in zip(grid, shown, strict=True):
        for axes, task in zip(row, tasks, strict=True):
            values = energies.query("model == @model and task == @task")
            if values.empty:
                axes.axis("off")
                continue
            own = sample.query("model == @model and task == @task")
            _panel(axes, values, task, shown[model], own.energy.mean())
            axes.set_title(f"kernel of {task}")
        first = next(axes for axes in row if axes.axison)
        first.yaxis.set_tick_params(labelleft=True)
        if len(shown) > 1:
            title = f"{model}\nrandom initialisation" if model in random else model
            first.set_ylabel(title, fontweight="bold")
    for column in grid.T:
        [axes for axes in column if axes.axison][-1].set_xlabel("local energy")
    # The axis is shared: as many numbers as its decades leave room for, below every panel.
    low, high = np.log10(grid[0, 0].get_xlim())
    steps = (1, 2, 5) if high - low < 2.2 else (1,)
    for axes in grid.flat:
        axes.xaxis.set_major_locator(LogLocator(subs=steps, numticks=12))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.tick_params(labelbottom=True)
    handles = [
        Patch(color=style.VERMILLION, label="held-out examples of the kernel's own task"),
        Patch(color=style.SKY, label="other data sets"),
        Line2D([], [], **style.DASHED, label="mean on the kernel's own sample (k)"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def describe(tables: dict[str, pd.DataFrame]) -> str:
    """Mean energies of every kernel."""
    test = tables["eigenfunctions"].query("split == 'test'")
    own = test.task == test.dataset
    means = {at: rows.groupby(["model", "task"], sort=False).energy.mean()
             for at, rows in (("own", test[own]), ("others", test[~own]))}  # fmt: skip
    kernels = [
        f"{model}, kernel of {task}: {energy:.2f} on its own task, "
        f"{means['others'][model, task]:.2f} on the others"
        for (model, task), energy in means["own"].items()
    ]
    return f"Mean local energy of held-out examples. {'; '.join(kernels)}."


def _panel(
    axes: Axes, values: pd.DataFrame, task: str, datasets: list[str], on_sample: float
) -> None:
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
    axes.set_ylim(len(datasets) + 0.5 + _MARGIN, 0.5 - _MARGIN)
    axes.axvline(on_sample, **style.DASHED, zorder=0)
    axes.set_xscale("log")
    axes.grid(axis="y", visible=False)
