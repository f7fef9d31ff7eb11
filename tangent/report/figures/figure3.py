"""Figure 3: weight-disentanglement error ξ(α1, α2) of pairs of tasks."""

from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from tangent.arithmetic.alphas import SEARCH_BOX
from tangent.report.figures import style
from tangent.report.figures.catalogue import Caption
from tangent.results.studied import modes_in

INPUTS = ("disentanglement",)
_RED = "#E8000B"
# Light is disentangled, as in the paper. The scale is that of every study, [0, 2]; by the square
# root of ξ half of the colours are for ξ < 0.5, where the search box lies.
_COLOURS = "viridis_r"
_SHARE = 0.5
_TICKS = (0.0, 0.05, 0.2, 0.5, 1.0, 1.5, 2.0)
_COLUMNS = 4  # as many maps beside each other as a page is wide

CAPTION = Caption(
    "Figure 3. Weight-disentanglement error ξ(α₁, α₂)",
    "{% set maps = config.disentanglement %}How often the model edited with both task vectors and "
    "the model edited with one of them predict different classes on that one's task: ξ is the sum "
    "of the two disagreement rates, from 0 (light: disentangled) to 2 (dark), with colours even "
    "in its square root, which tells small errors apart. The red box is the range [−1, 1] of the "
    "α search. {{ maps.points }} × {{ maps.points }} points, up to {{ maps.images }} test "
    "examples per task{% if seeds > 1 %}, mean over {{ seeds }} seeds{% endif %}.",
    "ξ compares predictions, not accuracies: two models that are wrong together agree. Standard "
    "and linear task vectors differ in length: equal α are not equal steps.",
)


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Heat maps of ξ, mean over seeds: a column per pair, a row per mode; models below each other.

    Where all pairs of all models fit beside each other, models are columns too.
    """
    errors = tables["disentanglement"]
    models, modes = list(errors.model.unique()), modes_in(errors)
    pairs = list(errors[["task_1", "task_2"]].drop_duplicates().itertuples(index=False, name=None))
    beside = len(models) * len(pairs) <= _COLUMNS
    down, across = (1, len(models)) if beside else (len(models), 1)
    rows, columns = down * len(modes), across * len(pairs)
    figure = style.new_figure(1.2 + 2.35 * columns, 0.5 + 2.05 * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    blocks = np.array_split(grid, len(models), axis=1 if beside else 0)
    for model, block in zip(models, blocks, strict=True):
        of_model = errors[errors.model == model]
        image = _draw_model(block, of_model, pairs, model if len(models) > 1 else "")
        for row, maps in enumerate(block):
            for column, axes in enumerate(maps):
                axes.set_gid(f"map-{model}-{column}-{row}")
    for axes, mode in zip(grid[:, 0], cycle(modes), strict=False):
        axes.annotate(
            mode, (0, 0.5), xytext=(-48, 0), xycoords="axes fraction", rotation=90,
            textcoords="offset points", ha="center", va="center", fontweight="bold",
        )  # fmt: skip
    bar = figure.colorbar(image, ax=grid, shrink=min(0.6, 4.0 / rows), aspect=30, pad=0.02)
    bar.set_ticks(_TICKS, labels=[f"{tick:g}" for tick in _TICKS])
    bar.minorticks_off()
    bar.set_label("ξ(α₁, α₂) ∈ [0, 2], sum of two disagreement rates")
    bar.outline.set_linewidth(0.5)
    return figure


def describe(tables: dict[str, pd.DataFrame]) -> str:
    """The mean error of every mode, near θ0 and everywhere."""
    errors = tables["disentanglement"]
    near = errors[(errors.alpha_1.abs() <= SEARCH_BOX) & (errors.alpha_2.abs() <= SEARCH_BOX)]
    box, whole = (rows.groupby(["model", "mode"]).error.mean() for rows in (near, errors))
    texts = [
        f"{model}, {mode}: {box[model, mode]:.3f} in the box, {whole[model, mode]:.3f} on the "
        "whole grid"
        for model in errors.model.unique()
        for mode in modes_in(errors[errors.model == model])
    ]
    return f"Heat maps, lightest at their centre. Mean ξ of {'; '.join(texts)}."


def numbers(tables: dict[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Of each model and pair: names, grid, the ids of its maps, and ξ of each, a row per α₂."""
    errors, found = tables["disentanglement"], []
    for model, of_model in errors.groupby("model", sort=False):
        pairs = of_model.groupby(["task_1", "task_2"], sort=False)
        for column, (pair, of_pair) in enumerate(pairs):
            modes = modes_in(of_pair)
            values = [_values(of_pair[of_pair["mode"] == mode]) for mode in modes]
            found.append(
                {
                    "model": model,
                    "tasks": pair,
                    "alpha": [list(values[0].columns), list(values[0].index)],
                    "modes": modes,
                    "maps": [f"map-{model}-{column}-{row}" for row in range(len(modes))],
                    "error": [of.round(3).to_numpy().tolist() for of in values],
                }
            )
    return found


def _draw_model(
    block: np.ndarray, errors: pd.DataFrame, pairs: list[tuple[str, str]], name: str
) -> AxesImage:
    """One model's maps in the axes `block`, [mode, pair], under its name."""
    modes = modes_in(errors)
    for row, mode in zip(block, modes, strict=True):
        bottom = mode == modes[-1]
        for axes, (task_1, task_2) in zip(row, pairs, strict=True):
            cells = errors.query("mode == @mode and task_1 == @task_1 and task_2 == @task_2")
            image = _heat_map(axes, cells)
            if bottom:
                axes.set_xlabel(f"α₁  {task_1}")
            axes.set_ylabel(f"α₂  {task_2}", labelpad=3)
            axes.tick_params(labelbottom=bottom, labelleft=axes is row[0])
    for axes, pair in zip(block[0], pairs, strict=True):
        axes.set_title(f"{name}\n{' – '.join(pair)}".strip(), fontweight="bold")
    return image


def _heat_map(axes: Axes, cells: pd.DataFrame) -> AxesImage:
    values = _values(cells)
    image = axes.imshow(
        values, origin="lower", extent=_extent(values), cmap=_COLOURS,
        norm=PowerNorm(_SHARE, vmin=0.0, vmax=2.0), interpolation="nearest",
    )  # fmt: skip
    axes.add_patch(
        Rectangle(
            (-SEARCH_BOX, -SEARCH_BOX), 2 * SEARCH_BOX, 2 * SEARCH_BOX,
            fill=False, edgecolor=_RED, linewidth=1.6,
            path_effects=[patheffects.withStroke(linewidth=3.0, foreground="white")],
        )
    )  # fmt: skip
    axes.grid(False)
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(7, integer=True))
    return image


def _values(cells: pd.DataFrame) -> pd.DataFrame:
    """ξ, mean over seeds, [alpha_2, alpha_1]: the first task runs along x."""
    return cells.pivot_table(index="alpha_2", columns="alpha_1", values="error", aggfunc="mean")


def _extent(values: pd.DataFrame) -> tuple[float, float, float, float]:
    """Edges of the outer cells: grid points are the cells' centres."""
    edges = []
    for points in (values.columns, values.index):
        half = (points[-1] - points[0]) / (len(points) - 1) / 2
        edges += [points[0] - half, points[-1] + half]
    return tuple(edges)
