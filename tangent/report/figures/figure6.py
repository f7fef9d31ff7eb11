"""Figure 6: local energy of the kernel's leading eigenfunctions on each data set."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from tangent.report.figures import style
from tangent.report.figures.catalogue import Caption

INPUTS = ("eigenfunctions", "random_init")

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
    "diamond; the axis is logarithmic. On the sample itself the mean is k by construction. "
    "Localized: much energy on the task, little elsewhere.",
    "A finite sample estimates the leading eigenfunctions only. The random initialisation shows "
    "its own study's tasks.",
)


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Local energies as distributions: a column per kernel's task, a row per model."""
    energies = tables["eigenfunctions"]
    energies = energies[energies.split == "test"]
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
        gridspec_kw={"height_ratios": [height + 0.5 for height in heights]},
    )  # fmt: skip
    for row, model in zip(grid, shown, strict=True):
        for axes, task in zip(row, tasks, strict=True):
            values = energies.query("model == @model and task == @task")
            if values.empty:
                axes.axis("off")
                continue
            _panel(axes, values, task, shown[model])
            axes.set_title(f"kernel of {task}")
        first = next(axes for axes in row if axes.axison)
        first.yaxis.set_tick_params(labelleft=True)
        if len(shown) > 1:
            title = f"{model}\nrandom initialisation" if model in random else model
            first.set_ylabel(title, fontweight="bold")
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
