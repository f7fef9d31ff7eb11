"""Validation accuracy against α: how addition and negation chose their coefficients."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tangent.report.figures import style
from tangent.report.figures.catalogue import Caption
from tangent.results.studied import modes_in

INPUTS = ("alpha_sweep", "addition", "negation")

CAPTION = Caption(
    "Choosing α",
    "Accuracy on validation data against the coefficient α. Left: sum of all task vectors, mean "
    "normalised accuracy. Middle and right: negation, accuracy on the target task and, relative "
    "to the pre-trained model, on the control task. Lines are means over the "
    "tasks{% if seeds > 1 %} and seeds, bands the range over seeds{% endif %}. A marker is a "
    "chosen α: for negation one per task, at that task's own accuracy.",
    "Test data play no part here. A mean below the threshold is no contradiction: α is chosen, "
    "and the threshold kept, for each task by itself.",
)


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """A row per model: addition, negation's target, negation's control, all on validation data."""
    models, modes = list(tables["addition"].model.unique()), modes_in(tables["addition"])
    figure = style.new_figure(9.4, 0.6 + 2.7 * len(models))
    grid = figure.subplots(len(models), 3, squeeze=False)
    for row, model in zip(grid, models, strict=True):
        sweep = tables["alpha_sweep"].query("model == @model")
        added = sweep.query("operation == 'addition'")
        negated = sweep.query("operation == 'negation'")
        chosen = tables["negation"].query("model == @model")
        _panel(row[0], added, tables["addition"].query("model == @model"), "normalized", 8)
        _panel(row[1], negated[negated.task == negated.target], chosen, "accuracy", 4)
        _panel(row[2], negated[negated.task != negated.target], chosen, "normalized", 4)
        threshold = 100 * chosen.control_threshold.iloc[0]
        row[2].axhline(threshold, **style.DASHED)
        row[2].annotate(
            f"threshold {threshold:g} %", (0, threshold), xytext=(2, -3), va="top",
            textcoords="offset points", color=style.GREY,
        )  # fmt: skip
        name = f"{model}\n" if len(models) > 1 else ""
        row[0].set(title=f"{name}addition", ylabel="normalised accuracy (%)")
        row[1].set(title=f"{name}negation, target task", ylabel="accuracy (%)")
        row[2].set(title=f"{name}negation, control task", ylabel="% of pre-trained accuracy")
    for axes in grid.flat:
        axes.set(xlim=(-0.03, 1.03), xlabel="α")
    handles = style.mode_handles(modes, linewidth=1.8, markersize=6, **style.WHITE_EDGE)
    marker = Line2D([], [], color=style.GREY, linestyle="", marker="o", label="marker: chosen α")
    figure.legend(handles=[*handles, marker], loc="outside lower center", ncols=4)
    return figure


def _panel(axes: Axes, sweep: pd.DataFrame, chosen: pd.DataFrame, column: str, size: float) -> None:
    """Curves, and on them the chosen α: of negation on the curve of its own task."""
    for mode in modes_in(sweep):
        rows = sweep[sweep["mode"] == mode]
        look = style.MODE_LOOKS[mode]
        style.draw_seeds(axes, rows, "alpha", column, 100, **look | {"marker": ""}, linewidth=1.8)
        look = look | style.WHITE_EDGE | {"linestyle": "", "markersize": size}
        for row in chosen[chosen["mode"] == mode].itertuples():
            own = rows[rows.seed == row.seed]
            if "task" in chosen:
                own = own[own.target == row.task]
            # The α of a result is a grid point; nearest guards against its last digit.
            curve = 100 * own.groupby("alpha")[column].mean()
            at = curve.reindex([row.alpha], method="nearest").iloc[0]
            axes.plot(row.alpha, at, **look, zorder=3)
