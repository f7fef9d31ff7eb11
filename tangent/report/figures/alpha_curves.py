"""Validation accuracy against α: how addition and negation chose their coefficients."""

from typing import Any

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
    "chosen α: for addition one per seed, for negation one per task at that task's own "
    "accuracy{% if seeds > 1 %}, mean over the seeds{% endif %}.",
    "Test data play no part here. A mean below the threshold is no contradiction: α is chosen, "
    "and the threshold kept, for each task by itself.",
)


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """A row per model: addition, negation's target, negation's control, all on validation data."""
    models, modes = list(tables["addition"].model.unique()), modes_in(tables["addition"])
    figure = style.new_figure(9.4, 0.6 + 2.7 * len(models))
    grid = figure.subplots(len(models), 3, squeeze=False)
    for i, (row, model) in enumerate(zip(grid, models, strict=True)):
        sweep = tables["alpha_sweep"].query("model == @model")
        added = sweep.query("operation == 'addition'")
        negated = sweep.query("operation == 'negation'")
        is_target = negated.task == negated.target
        chosen_sum = tables["addition"].query("model == @model")
        chosen = tables["negation"].query("model == @model")
        _panel(row[0], added, chosen_sum, "normalized", f"{i}-0")
        _panel(row[1], negated[is_target], chosen, "accuracy", f"{i}-1")
        _panel(row[2], negated[~is_target], chosen, "normalized", f"{i}-2")
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


def describe(tables: dict[str, pd.DataFrame]) -> str:
    """The chosen α of addition and the peak of its curve, negation's range of α."""
    texts = []
    for (model, mode), rows in tables["addition"].groupby(["model", "mode"], sort=False):
        of_mode = tables["alpha_sweep"].query("model == @model and mode == @mode")
        curve = of_mode.query("operation == 'addition'").groupby("alpha").normalized.mean()
        negated = tables["negation"].query("model == @model and mode == @mode").alpha
        texts.append(
            f"{model}, {mode}: addition chooses α = {_range(rows.alpha)}, its curve peaks at "
            f"{100 * curve.max():.1f} %; negation chooses {_range(negated)}"
        )
    return f"Curves of validation accuracy against α. {'; '.join(texts)}."


def _range(values: pd.Series) -> str:
    return "–".join(dict.fromkeys(f"{end:g}" for end in (values.min(), values.max())))


def _panel(axes: Axes, sweep: pd.DataFrame, chosen: pd.DataFrame, column: str, name: str) -> None:
    """Curves, and on them the chosen α: of negation on the curve of its own task."""
    for mode in modes_in(sweep):
        rows = sweep[sweep["mode"] == mode]
        look = style.MODE_LOOKS[mode]
        # By its id the report's script finds the curve.
        curve = look | {"marker": "", "linewidth": 1.8, "gid": f"curve-{name}-{mode}"}
        style.draw_seeds(axes, rows, "alpha", column, 100, **curve)
        look = look | style.WHITE_EDGE | {"linestyle": "", "markersize": 7}
        marks = [
            (row.alpha, _height(rows, row, column), getattr(row, "task", row.seed))
            for row in chosen[chosen["mode"] == mode].itertuples()
        ]
        # Of negation a mark per task: one per task and seed would be a cloud.
        marks = pd.DataFrame(marks, columns=["alpha", "height", "of"])
        for at in marks.groupby("of").mean().itertuples():
            axes.plot(at.alpha, at.height, **look, alpha=0.9, zorder=3)


def _height(rows: pd.DataFrame, chosen: Any, column: str) -> float:
    """The accuracy in % that the search saw where it chose this α."""
    own = rows[rows.seed == chosen.seed]
    if hasattr(chosen, "task"):
        own = own[own.target == chosen.task]
    curve = 100 * own.groupby("alpha")[column].mean()
    # The α of a result is a grid point; nearest guards against its last digit.
    return curve.reindex([chosen.alpha], method="nearest").iloc[0]
